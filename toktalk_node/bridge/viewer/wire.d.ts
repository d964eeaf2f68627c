// Types of toktalk-face/wire: TokTalk's bridge without a face, for pages that draw their own.

export const VERSION: number;

/** A message that this version of the wire does not allow. */
export class ProtocolError extends Error {}

/** The checked message of a msgpack body: nanoseconds are bigint, bulk numbers Float32Array. */
export function decode(type: string, body: Uint8Array): Record<string, any>;
/** The msgpack body of a request. */
export function encode(fields: Record<string, unknown>): Uint8Array;

export interface WireListener {
  /** The bridge introduced itself, also after it came back: names, head, streams. */
  hello(reply: Record<string, any>): void;
  state(open: boolean): void;
  face(stream: string, message: Record<string, any>): void;
  audio(stream: string, message: Record<string, any>): void;
  event(stream: string, message: Record<string, any>): void;
}

/** The server's clock: `offset` is server time minus performance.now(), `delay` the round trip it is known from, ms. */
export class ClockFilter {
  readonly offset: number;
  readonly delay: number;
  add(t1: number, t2: number, t3: number, t4: number): void;
  clear(): void;
}

/** A connection that comes back by itself. */
export class Wire {
  constructor(url: string, on: WireListener);
  readonly alive: boolean;
  readonly lost: number;
  readonly errors: number;
  readonly connections: number;
  readonly clock: ClockFilter;
  ask(topic: "hello" | "clock" | "interrupt" | "set_style" | "ping", body: Record<string, unknown>): Promise<any>;
  close(): void;
}
