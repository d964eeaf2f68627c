// Types of <toktalk-face>; docs/web.md of TokTalk explains each.

export * from "./wire";

/** What is shown at this moment. `weights` and `head` change in place: copy what you keep. */
export interface FrameDetail {
  /** Media time of the stream, s; NaN at rest. */
  time: number;
  speaking: boolean;
  names: string[];
  /** By `names`, in [0, 1]. */
  weights: Float32Array;
  /** Yaw to the person's left, pitch up, roll to the left, radians. */
  head: Float32Array;
}

/** An event of the stream: its data, and when it is heard (ns since the Unix epoch, on the server's clock). */
export interface StreamDetail {
  stream: string;
  pts: bigint;
  [key: string]: unknown;
}

export interface FaceEventMap {
  frame: CustomEvent<FrameDetail>;
  speechstart: CustomEvent<StreamDetail & { text?: string }>;
  speechend: CustomEvent<StreamDetail>;
  interrupted: CustomEvent<StreamDetail>;
  stylechange: CustomEvent<StreamDetail & { detail?: string }>;
  underrun: CustomEvent<StreamDetail & { detail?: string }>;
  fault: CustomEvent<StreamDetail & { detail?: string }>;
  connect: CustomEvent<{}>;
  disconnect: CustomEvent<{}>;
  streams: CustomEvent<{ streams: string[] }>;
  soundchange: CustomEvent<{ audible: boolean; blocked: boolean }>;
  avatar: CustomEvent<{ label: string; missing: string[] }>;
  avatarerror: CustomEvent<{ message: string }>;
}

/** Figures since the connection was made; times in ms, NaN while unknown. */
export interface FaceStats {
  connected: boolean;
  loaded: boolean;
  connections: number;
  lost: number;
  errors: number;
  clockOffset: number;
  clockDelay: number;
  frames: number;
  lateFrames: number;
  samples: number;
  underruns: number;
  overflows: number;
  lead: number;
  ahead: number;
  sampleRate: number;
  outputLatency: number;
  skewP50: number;
  skewP99: number;
  fps: number;
  rendered: number;
}

export class TokTalkFace extends HTMLElement {
  src: string;
  stream: string;
  avatar: string;
  kind: "head" | "screen";
  muted: boolean;
  readonly connected: boolean;
  readonly audible: boolean;
  readonly speaking: boolean;
  readonly names: string[];
  readonly missing: string[];
  readonly streams: string[];
  readonly speakingStyle: string;
  readonly styles: string[];
  readonly weights: Float32Array;
  readonly head: Float32Array;
  readonly time: number;
  readonly audioNode: GainNode | null;
  readonly stats: FaceStats;
  unmute(): Promise<void>;
  interrupt(): Promise<{ played_frames: number; dropped_frames: number }>;
  setStyle(style: string): Promise<void>;
  load(model: Blob | ArrayBuffer, label?: string): Promise<void>;
  addEventListener<K extends keyof FaceEventMap>(
    type: K,
    listener: (this: TokTalkFace, event: FaceEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "toktalk-face": TokTalkFace;
  }
}
