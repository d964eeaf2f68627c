// What faces on one page share: a connection per address, a playout per stream of it.

import { allowed, onGesture } from "./audio.js";
import { Playout } from "./playout.js";
import { Wire } from "./wire.js";

const DEFAULT_RATE = 16_000; // Hz, until a stream's own rate is known
const MOST_STREAMS = 256;
const MOST_EVENTS = 256;
const AJAR = 0.1; // of jawOpen, beyond which no face is at rest
const EARLY = 4; // ms by which a timer may ring before its instant

/** @type {Map<string, Hub>} */
const hubs = new Map();

/** One speaker's stream, played once however many faces show it. */
export class Channel {
  constructor(name, hub) {
    this.name = name;
    this.hub = hub;
    this.playout = new Playout(() => hub.wire.clock.offset);
    /** @type {Set<any>} */
    this.faces = new Set();
    this.events = []; // { pts, message, timer }: those whose instant has not come
    const { speaking, face } = hub.streams.get(name) ?? {};
    this.over = speaking === false; // the last utterance has ended
    if (this.over && face) this.settle(face);
    this.wanted = false;
    /** The browser waits for the user to touch the page before it lets this stream sound. */
    this.blocked = false;
    this.forgetGesture = () => {};
  }

  get rate() {
    return this.hub.streams.get(this.name)?.audio_rate ?? DEFAULT_RATE;
  }

  /** Sound on or off, as the faces that show this stream want it. */
  async sound() {
    const wanted = [...this.faces].some((face) => !face.muted);
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    this.forgetGesture();
    this.blocked = false;
    if (!wanted) this.playout.mute();
    else if (navigator.userActivation?.isActive || (await allowed())) await this.start();
    else if (this.wanted) {
      this.blocked = true;
      this.forgetGesture = onGesture(() => this.start());
    }
    this.tell("soundchange");
  }

  async start() {
    if (!this.wanted) return;
    this.blocked = false;
    await this.playout.unmute(this.rate);
    this.tell("soundchange");
  }

  face(message) {
    this.playout.face(message);
    if (this.over) this.settle(message);
  }

  /** The last frame of what ended is the face at rest, as the style has it, if lips and eyes are at ease in it. */
  settle({ weights, width, head, count }) {
    const { names } = this.hub;
    if (!count || width !== names.length) return;
    const last = weights.slice(-width);
    const w = (name) => last[names.indexOf(name)] ?? 0;
    if (w("jawOpen") - w("mouthClose") > AJAR || w("eyeBlinkLeft") > 0.5) return;
    names.forEach((name, i) => /^eye(Blink|Look)/.test(name) && (last[i] = 0)); // the eyes have a life of their own
    this.playout.resting = { weights: last, head: head.slice(-3) };
  }

  audio(message) {
    if (this.playout.context && this.playout.contextRate !== message.rate) this.playout.unmute(message.rate);
    this.playout.audio(message);
  }

  event(message) {
    const pts = Number(message.pts_ns) / 1e6;
    if (message.kind === "interrupted") {
      this.over = true;
      this.playout.cut(pts);
      for (const late of this.events.filter((item) => item.pts >= pts)) this.drop(late);
      return this.tell("interrupted", message);
    }
    if (this.events.length >= MOST_EVENTS) this.drop(this.events[0]);
    const item = { pts, message, timer: 0 };
    this.events.push(item);
    this.wait(item);
  }

  /** An event is told when its instant is heard, not when its message comes. */
  wait(item) {
    const { playout } = this;
    const left = playout.idle() ? playout.until(item.pts) : item.pts - playout.heard();
    if (left > EARLY) item.timer = setTimeout(() => this.wait(item), Math.min(left, 60_000));
    else {
      this.drop(item);
      if (item.message.kind === "start") this.over = false;
      if (item.message.kind === "end") this.end();
      this.tell(item.message.kind, item.message);
    }
  }

  end() {
    this.over = true;
    const frame = this.playout.frames.at(-1);
    if (frame) this.settle({ ...frame, width: frame.weights.length, count: 1 });
  }

  drop(item) {
    clearTimeout(item.timer);
    this.events = this.events.filter((other) => other !== item);
  }

  tell(kind, message = null) {
    for (const face of this.faces) face.told(kind, message);
  }

  close() {
    this.wanted = false;
    this.forgetGesture();
    for (const item of [...this.events]) this.drop(item);
    this.playout.mute();
  }
}

export class Hub {
  /**
   * The connection to `url`, made by the first face that joins.
   * @param {string} url
   */
  static join(url, face) {
    if (!hubs.has(url)) hubs.set(url, new Hub(url));
    const hub = /** @type {Hub} */ (hubs.get(url));
    hub.faces.add(face);
    return hub;
  }

  constructor(url) {
    this.url = url;
    /** @type {Set<any>} */
    this.faces = new Set();
    /** @type {Map<string, Channel>} */
    this.channels = new Map();
    /** @type {Map<string, any>} stream -> what the bridge says of it */
    this.streams = new Map();
    /** @type {string[]} */
    this.names = [];
    /** @type {string[]} that the bridge offers */
    this.styles = [];
    this.wire = new Wire(url, {
      hello: (reply) => {
        this.names = reply.names;
        this.styles = reply.styles ?? [];
        this.streams = new Map(reply.streams.map((info) => [info.name, info]));
        this.announce();
      },
      state: (open) => {
        for (const face of this.faces) face.told(open ? "connect" : "disconnect");
      },
      face: (name, message) => this.channel(name)?.face(message),
      audio: (name, message) => {
        const channel = this.channel(name);
        if (!channel) return;
        Object.assign(this.streams.get(name), { audio_rate: message.rate });
        channel.audio(message);
      },
      event: (name, message) => {
        const channel = this.channel(name);
        if (message.kind === "stream") Object.assign(this.streams.get(name) ?? {}, message.data);
        if (message.kind === "style") Object.assign(this.streams.get(name) ?? {}, { style: message.data.detail });
        channel?.event(message);
        if (message.kind !== "gone") return;
        this.streams.delete(name);
        this.announce();
      },
    });
  }

  /** The channel of a stream that a message came for, if some face shows it; a new stream is made known. */
  channel(name) {
    if (!this.streams.has(name)) {
      if (this.streams.size >= MOST_STREAMS) return undefined;
      this.streams.set(name, { name });
      this.announce();
    }
    return this.channels.get(name);
  }

  /** Other names, or other streams. */
  announce() {
    for (const face of this.faces) face.hello();
  }

  /** `face` shows the stream `name` from now on. */
  show(name, face) {
    if (!this.channels.has(name)) this.channels.set(name, new Channel(name, this));
    const channel = /** @type {Channel} */ (this.channels.get(name));
    channel.faces.add(face);
    channel.sound();
    return channel;
  }

  hide(channel, face) {
    channel.faces.delete(face);
    channel.sound();
    if (channel.faces.size) return;
    channel.close();
    this.channels.delete(channel.name);
  }

  /** `face` is gone; the last one closes the connection. */
  leave(face) {
    this.faces.delete(face);
    if (this.faces.size) return;
    this.wire.close();
    hubs.delete(this.url);
  }
}
