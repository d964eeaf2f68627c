// A connection to the bridge over a WebSocket: it comes back by itself, keeps the clocks in step, counts what is bad.

import { ClockFilter } from "./clock.js";
import { encode, framed, ProtocolError, received } from "./messages.js";

export { decode, encode, ProtocolError, VERSION } from "./messages.js";
export { ClockFilter } from "./clock.js";

const FIRST_CLOCKS = 8; // exchanges at once after connecting
const CLOCK_INTERVAL = 5000; // ms
const AWAY_INTERVAL = 1000; // ms between looks for a bridge that does not answer
const ANSWER = 5000; // ms to wait for a reply
const SILENCE = 10_000; // ms without any message after which a connection that asks in vain is made anew
const FIRST_RETRY = 250; // ms; doubled by every failure
const LAST_RETRY = 8000;
const MAX_TOPICS = 1024; // that are counted

/**
 * @typedef {object} Listener
 * @property {(reply: any) => void} hello the bridge introduced itself, also after it came back, or with other styles
 * @property {(open: boolean) => void} state
 * @property {(stream: string, message: any) => void} face
 * @property {(stream: string, message: any) => void} audio
 * @property {(stream: string, message: any) => void} event
 */

export class Wire {
  /**
   * @param {string} url ws: or wss: address of the page's server
   * @param {Listener} on
   */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.clock = new ClockFilter();
    /** The run of the bridge that answers, "" while none did. */
    this.bridge = "";
    /** Messages that never came. */
    this.lost = 0;
    /** Messages that could not be read. */
    this.errors = 0;
    /** The bridge answers. */
    this.alive = false;
    this.connections = 0;
    this.seq = new Map();
    this.nextId = 1;
    this.pending = new Map();
    this.retry = FIRST_RETRY;
    this.timers = new Set();
    this.closed = false;
    this.heard = 0; // performance.now() of the last message
    this.open();
    this.beat();
  }

  open() {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.connections++;
      this.heard = performance.now();
      this.clock.clear();
      this.seq.clear();
      this.greet();
      for (let i = 0; i < FIRST_CLOCKS; i++) this.after(40 * i, () => this.askClock());
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => this.reopen();
  }

  reopen() {
    this.fail("the connection closed");
    this.lose();
    // a little apart, so that many pages do not come back at one instant
    this.after(this.retry * (0.75 + 0.5 * Math.random()), () => this.open());
    this.retry = Math.min(2 * this.retry, LAST_RETRY);
  }

  /** Let go of everything: socket, timers, requests. */
  close() {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.fail("the connection was closed");
    const socket = this.socket;
    socket.onopen = () => socket.close(); // one that is still connecting cannot be closed without a warning
    socket.onmessage = socket.onclose = null;
    if (socket.readyState === WebSocket.OPEN) socket.close();
  }

  after(ms, work) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    this.timers.add(timer);
    return timer;
  }

  fail(reason) {
    for (const { reject, timer } of this.pending.values()) {
      this.forget(timer);
      reject(new Error(reason));
    }
    this.pending.clear();
  }

  forget(timer) {
    clearTimeout(timer);
    this.timers.delete(timer);
  }

  lose() {
    if (!this.alive) return;
    this.alive = false;
    this.on.state(false);
  }

  async greet() {
    try {
      const reply = await this.ask("hello", { client: "toktalk-face" });
      this.retry = FIRST_RETRY;
      this.bridge = reply.bridge ?? "";
      const found = !this.alive;
      this.alive = true;
      if (found) this.on.state(true);
      this.on.hello(reply);
    } catch {
      // the bridge is silent or gone: the next clock exchange, or the next connection, greets again
    }
  }

  /**
   * Ask the bridge; resolves with the reply's body, rejects with its reason.
   * @param {string} topic @param {Record<string, any>} body
   * @returns {Promise<any>}
   */
  ask(topic, body) {
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error("not connected"));
    const id = this.nextId++;
    this.socket.send(framed(topic, encode({ id, ...body })));
    return new Promise((resolve, reject) => {
      const timer = this.after(ANSWER, () => {
        this.pending.delete(id);
        reject(new Error("no answer"));
      });
      this.pending.set(id, { resolve, reject, timer });
    });
  }

  async beat() {
    await this.askClock();
    if (!this.closed) this.after(this.alive ? CLOCK_INTERVAL : AWAY_INTERVAL, () => this.beat());
  }

  async askClock() {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const t1 = performance.now();
    let reply;
    try {
      reply = await this.ask("clock", { t1_ns: BigInt(Math.round(t1 * 1e6)) });
    } catch {
      const { socket } = this;
      if (socket.readyState !== WebSocket.OPEN) return;
      this.lose();
      if (performance.now() - this.heard < SILENCE) return;
      // a phone that changed its network, a router that was switched off: TCP would not notice for minutes
      socket.onmessage = socket.onclose = null;
      socket.close();
      return this.reopen();
    }
    const t4 = performance.now();
    if (this.alive && (reply.bridge ?? "") !== this.bridge) {
      this.clock.clear(); // the bridge was started again, maybe elsewhere
      this.seq.clear();
      this.lose();
    }
    this.clock.add(t1, Number(reply.t2_ns) / 1e6, Number(reply.t3_ns) / 1e6, t4);
    if (!this.alive) this.greet();
  }

  receive(data) {
    this.heard = performance.now();
    let got;
    try {
      got = received(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (!this.errors++) console.warn(`toktalk-face: a message of ${this.url} is ignored: ${error.message}`);
      return;
    }
    const { kind, stream, message } = got;
    if (stream === null) return this.reply(kind, message);
    const topic = `${kind}/${stream}`;
    const expected = this.seq.get(topic);
    if (expected === undefined && this.seq.size >= MAX_TOPICS) return;
    if (message.seq > expected) this.lost += message.seq - expected;
    this.seq.set(topic, message.seq + 1);
    if (kind === "event" && message.kind === "gone")
      for (const part of ["face", "audio", "event"]) this.seq.delete(`${part}/${stream}`);
    if (kind === "event" && message.kind === "styles") this.greet();
    this.on[kind](stream, message);
  }

  reply(kind, message) {
    const waiting = this.pending.get(message.id);
    if (!waiting) return;
    this.pending.delete(message.id);
    this.forget(waiting.timer);
    if (kind === "error") waiting.reject(new Error(message.error));
    else waiting.resolve(message);
  }
}
