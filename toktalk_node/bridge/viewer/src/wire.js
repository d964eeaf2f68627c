// The wire of toktalk_node/bridge/protocol.py over a WebSocket: one byte with the topic's length, topic, msgpack body.

import { decode, encode } from "@msgpack/msgpack";

export const VERSION = 1;
const CLOCK_SAMPLES = 8;
const CLOCK_INTERVAL = 5000;

const text = new TextDecoder();
const bytes = new TextEncoder();

/** Little-endian float32 values of a msgpack bin. */
export function floats(bin) {
  const view = new DataView(bin.buffer, bin.byteOffset, bin.byteLength);
  const out = new Float32Array(bin.byteLength >> 2);
  for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
  return out;
}

export class Wire {
  /** `on` holds hello(reply), face|audio|event(stream, message) and state(open). */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.offset = performance.timeOrigin; // server clock minus performance.now(), ms
    this.delay = NaN; // round trip of the exchange that gave the offset, ms
    this.lost = 0;
    this.errors = 0;
    this.clock = [];
    this.seq = new Map();
    this.nextId = 1;
    this.pending = new Map();
    this.retry = 250;
    this.open();
    setInterval(() => this.askClock(), CLOCK_INTERVAL);
  }

  open() {
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.retry = 250;
      this.clock = [];
      this.seq.clear();
      this.ask("hello", { client: "toktalk viewer" }).then((reply) => this.on.hello(reply), () => {});
      for (let i = 0; i < CLOCK_SAMPLES; i++) setTimeout(() => this.askClock(), 40 * i);
      this.on.state(true);
    };
    this.socket.onmessage = (event) => this.receive(new Uint8Array(event.data));
    this.socket.onclose = () => {
      for (const { reject } of this.pending.values()) reject(new Error("the connection closed"));
      this.pending.clear();
      this.on.state(false);
      setTimeout(() => this.open(), this.retry);
      this.retry = Math.min(2 * this.retry, 2000);
    };
  }

  /** Ask the bridge; resolves with the reply's body, rejects with its reason. */
  ask(topic, body) {
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error("not connected"));
    const id = this.nextId++;
    const name = bytes.encode(topic);
    const packed = encode({ v: VERSION, id, ...body });
    const message = new Uint8Array(1 + name.length + packed.length);
    message[0] = name.length;
    message.set(name, 1);
    message.set(packed, 1 + name.length);
    this.socket.send(message);
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      setTimeout(() => this.pending.delete(id) && reject(new Error("no answer")), 5000);
    });
  }

  async askClock() {
    const t1 = performance.now();
    try {
      const reply = await this.ask("clock", { t1_ns: Math.round(t1 * 1e6) });
      const t4 = performance.now();
      const [t2, t3] = [Number(reply.t2_ns) / 1e6, Number(reply.t3_ns) / 1e6];
      this.clock.push({ delay: t4 - t1 - (t3 - t2), offset: (t2 - t1 + t3 - t4) / 2 });
      if (this.clock.length > CLOCK_SAMPLES) this.clock.shift();
      const best = this.clock.reduce((a, b) => (b.delay < a.delay ? b : a));
      [this.offset, this.delay] = [best.offset, best.delay];
    } catch {
      // the socket closed meanwhile: the next exchange will do
    }
  }

  receive(data) {
    let topic, body;
    try {
      topic = text.decode(data.subarray(1, 1 + data[0]));
      body = decode(data.subarray(1 + data[0]));
      if (body.v !== VERSION) throw new Error(`version ${body.v}`);
    } catch (error) {
      if (!this.errors++) console.warn(`message ignored: ${error.message}`);
      return;
    }
    const slash = topic.indexOf("/");
    if (slash < 0) return this.reply(topic, body);
    const [kind, stream] = [topic.slice(0, slash), topic.slice(slash + 1)];
    const expected = this.seq.get(topic);
    if (expected !== undefined && body.seq > expected) this.lost += body.seq - expected;
    this.seq.set(topic, body.seq + 1);
    this.on[kind]?.(stream, body);
  }

  reply(topic, body) {
    const waiting = this.pending.get(body.id);
    if (!waiting) return;
    this.pending.delete(body.id);
    if (topic === "error") waiting.reject(new Error(body.error));
    else waiting.resolve(body);
  }
}
