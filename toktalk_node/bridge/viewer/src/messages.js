// The messages of toktalk_node/bridge/protocol.py: msgpack maps, checked while they are decoded.

import { Decoder, Encoder } from "@msgpack/msgpack";

export const VERSION = 1;
const MAX_BODY = 4 << 20;
const MAX_CONTROL = 64 << 10;
const MAX_FRAMES = 1024;
const MAX_SAMPLES = 192_000;
const MAX_WIDTH = 512;
const MAX_TEXT = 256;
const MAX_STREAM_NAME = 64;
const MAX_STREAMS = 256;
const MAX_DATA = 64;
const MAX_STYLES = 256;

/** A message that this version of the wire does not allow. */
export class ProtocolError extends Error {}

/** @returns {never} */
function refuse(text) {
  throw new ProtocolError(text);
}

const plainMap = (v) => typeof v === "object" && v !== null && !Array.isArray(v) && !ArrayBuffer.isView(v);

// What a field may hold: functions of its name and its value, which they return or refuse.

/** Nanoseconds and the like, exactly: a BigInt. */
function ns(name, value) {
  const big = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
  return typeof big === "bigint" && big === BigInt.asIntN(64, big) ? big : refuse(`${name} is no integer of 64 bits`);
}
const int =
  (low = -Infinity, high = Infinity) =>
  (name, value) => {
    const number = Number(ns(name, value));
    return number >= low && number <= high ? number : refuse(`${name} is ${number}, allowed are ${low} to ${high}`);
  };
const text =
  (most = MAX_TEXT) =>
  (name, value) => {
    if (typeof value !== "string") return refuse(`${name} is no text`);
    return value.length <= most || [...value].length <= most
      ? value
      : refuse(`${name} has more than ${most} characters`);
  };
const flag = (name, value) => (typeof value === "boolean" ? value : refuse(`${name} is no truth value`));
const list = (of, most) => (name, value) => {
  if (!Array.isArray(value)) return refuse(`${name} is no list`);
  return value.length <= most ? value.map((item) => of(name, item)) : refuse(`${name} has more than ${most} entries`);
};
const message = (type) => (_, value) => checked(type, value);
const known = (of) =>
  Object.assign((name, value) => (value === null || value === undefined ? null : of(name, value)), { optional: true });
const optional = (of) =>
  Object.assign((name, value) => (value === undefined ? undefined : of(name, value)), { optional: true });
function floats(name, value) {
  if (!(value instanceof Uint8Array) || value.length % 4) return refuse(`${name} holds no float32 values`);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const out = new Float32Array(value.length >> 2);
  for (let i = 0; i < out.length; i++) {
    out[i] = view.getFloat32(4 * i, true);
    if (!Number.isFinite(out[i])) refuse(`${name} holds values that are not finite`);
  }
  return out;
}
function scalars(name, value) {
  if (value === undefined) return {};
  if (!plainMap(value) || Object.keys(value).length > MAX_DATA)
    return refuse(`${name} is no map of ${MAX_DATA} entries at most`);
  for (const [key, item] of Object.entries(value)) {
    text()(`${name} key`, key);
    if (typeof item === "string") text(MAX_CONTROL)(key, item);
    else if (typeof item === "object" && item !== null) refuse(`${name}.${key} is no scalar`);
  }
  return value;
}

const seq = int(0);
const stream = text(MAX_STREAM_NAME);
const id = int(0);
const bridge = optional(text());

/** Type -> field -> what it may hold. */
const FIELDS = {
  Face: {
    seq,
    pts_ns: ns,
    fps: int(1, 1000),
    start: int(),
    count: int(0, MAX_FRAMES),
    width: int(1, MAX_WIDTH),
    weights: floats,
    head: floats,
  },
  Audio: { seq, pts_ns: ns, rate: int(1000, 384_000), start: int(), count: int(0, MAX_SAMPLES), samples: floats },
  Event: { seq, pts_ns: ns, kind: text(), data: Object.assign(scalars, { optional: true }) },
  Hello: { id, client: optional(text()) },
  HelloReply: {
    id,
    names: list(stream, MAX_WIDTH),
    head: list(stream, 3),
    streams: list(message("StreamInfo"), MAX_STREAMS),
    pub_port: int(1, 65535),
    bridge,
    styles: optional(list(text(), MAX_STYLES)),
  },
  StreamInfo: {
    name: stream,
    fps: known(int(1, 1000)),
    audio_rate: known(int(1000, 384_000)),
    epoch_ns: known(ns),
    speaking: optional(flag),
    style: optional(text()),
    face: optional(message("Face")),
  },
  ClockAsk: { id, t1_ns: ns },
  ClockReply: { id, t1_ns: ns, t2_ns: ns, t3_ns: ns, bridge },
  Interrupt: { id, stream, played_ns: ns },
  InterruptReply: { id, played_frames: int(0), dropped_frames: int(0) },
  SetStyle: { id, stream, style: text() },
  Ping: { id },
  Done: { id },
  Refused: { id, error: text() },
};
/** Type -> array -> how many values it must hold. */
const SIZES = {
  Face: { weights: (m) => m.count * m.width, head: (m) => 3 * m.count },
  Audio: { samples: (m) => m.count },
};
/** What the bridge publishes, and what it answers, by the first part of the topic. */
const PUBLISHED = { face: "Face", audio: "Audio", event: "Event" };
const REPLIES = {
  hello: "HelloReply",
  clock: "ClockReply",
  interrupt: "InterruptReply",
  set_style: "Done",
  ping: "Done",
  error: "Refused",
};

function checked(type, map) {
  if (!plainMap(map)) return refuse(`${type} is no map`);
  const out = { ...map }; // fields of a later minor change stay as they are
  for (const [name, take] of Object.entries(FIELDS[type])) {
    if (map[name] === undefined && !take.optional) refuse(`${type} without ${name}`);
    const value = take(name, map[name]);
    if (value !== undefined) out[name] = value;
  }
  for (const [name, size] of Object.entries(SIZES[type] ?? {})) {
    if (out[name].length !== size(out)) refuse(`${name} has ${out[name].length} values, expected ${size(out)}`);
  }
  return out;
}

const unpacker = new Decoder({
  useBigInt64: true,
  maxArrayLength: 4096,
  maxMapLength: 4096,
  maxExtLength: MAX_CONTROL,
});
const packer = new Encoder({ useBigInt64: true });

/**
 * The checked message of a msgpack body. Nanoseconds are BigInt, bulk numbers Float32Array.
 * @param {string} type name of a message, such as "Face"
 * @param {Uint8Array} body
 * @returns {Record<string, any>}
 * @throws {ProtocolError} what is wrong with it
 */
export function decode(type, body) {
  if (body.length > MAX_BODY) refuse(`${type} of ${body.length} bytes, at most ${MAX_BODY} are allowed`);
  /** @type {any} */
  let map;
  try {
    map = unpacker.decode(body);
  } catch (error) {
    refuse(`not a ${type} message: ${error.message}`);
  }
  if (!plainMap(map)) refuse(`${type} is no map`);
  const version = Number(ns("v", map.v));
  if (version !== VERSION) refuse(`message of version ${version}, this side speaks ${VERSION}: update the older one`);
  return checked(type, { ...map, v: version });
}

/**
 * The msgpack body of a request; nanoseconds as BigInt keep every digit.
 * @param {Record<string, any>} fields
 */
export function encode(fields) {
  // a large number would be written as a float
  const whole = (value) => (Number.isSafeInteger(value) && Math.abs(value) > 0x7fffffff ? BigInt(value) : value);
  return packer.encode({
    v: VERSION,
    ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, whole(value)])),
  });
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const bytes = new TextEncoder();

/** One WebSocket message: a byte with the topic's length, the topic, the body. */
export function framed(topic, body) {
  const name = bytes.encode(topic);
  const out = new Uint8Array(1 + name.length + body.length);
  out[0] = name.length;
  out.set(name, 1);
  out.set(body, 1 + name.length);
  return out;
}

/**
 * A message of the bridge as the WebSocket brings it; `stream` is null for replies.
 * @returns {{ kind: string, stream: string | null, message: Record<string, any> }}
 */
export function received(data) {
  if (!(data instanceof ArrayBuffer)) return refuse("a text, expected bytes");
  const all = new Uint8Array(data);
  if (!all.length || all.length < 1 + all[0]) return refuse("a message without its topic");
  const body = all.subarray(1 + all[0]);
  let topic;
  try {
    topic = utf8.decode(all.subarray(1, 1 + all[0]));
  } catch {
    return refuse("a topic that is not UTF-8");
  }
  if (Object.hasOwn(REPLIES, topic)) return { kind: topic, stream: null, message: decode(REPLIES[topic], body) };
  const [, kind, name] = /^(face|audio|event)\/([^\s\p{C}]{1,64})$/u.exec(topic) ?? [];
  if (!kind) return refuse(`unknown topic ${JSON.stringify(topic.slice(0, 40))}`);
  return { kind, stream: name, message: decode(PUBLISHED[kind], body) };
}
