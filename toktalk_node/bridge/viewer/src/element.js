// <toktalk-face>: a face that speaks, as an element for any page. See docs/web.md.

import { BLENDSHAPES } from "./arkit.js";
import { Hub } from "./hub.js";
import { Idle } from "./idle.js";
import { MARKUP, styleSheet } from "./shadow.js";

const QUIET = 600; // ms without frames after which the face counts as not speaking
const SKEWS = 600; // pictures whose distance to the sound is remembered

/** Event of the bridge -> event of the element. */
const EVENTS = { start: "speechstart", end: "speechend", style: "stylechange" };
const HEAD = new URL("./head.glb", import.meta.url); // written so that bundlers find the file

export class TokTalkFace extends HTMLElement {
  static observedAttributes = ["src", "stream", "avatar", "kind", "muted", "features", "style", "class"];

  #alive = false;
  #hub = null;
  #channel = null;
  /** @type {any} a ScreenView or a HeadView */
  #view = null;
  #making = 0; // counts the views that were asked for: an old one is dropped when it comes
  #loading = 0;
  #idle = new Idle();
  #names = BLENDSHAPES;
  #index = new Map(BLENDSHAPES.map((name, i) => [name, i]));
  #pose = { weights: new Float32Array(BLENDSHAPES.length), head: new Float32Array(3) };
  #canvas;
  #visible = false;
  #request = 0;
  #drawn = 0;
  #cost = 0; // ms from reading the face to having drawn it
  #skews = [];
  #rate = { since: 0, count: 0, fps: 0 };
  #rendered = 0;
  #speaking = false;
  #lacks = [];
  #dropped = null; // a model that was given as bytes
  #resized = new ResizeObserver(() => this.#view?.resize());
  #seen = new IntersectionObserver((entries) => {
    this.#visible = entries.at(-1).isIntersecting;
    this.#loop();
  });

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = MARKUP;
    root.adoptedStyleSheets = [styleSheet()];
    this.#canvas = root.querySelector("canvas");
    root.querySelector("button").addEventListener("click", () => this.unmute());
  }

  // ---- attributes ----

  /** Address of the bridge's WebSocket: the attribute's, else of the server that this module came from. */
  get src() {
    const given = this.getAttribute("src");
    const home = !given && /^https?:/.test(import.meta.url) ? import.meta.url : location.href;
    const url = new URL(given || "ws", home);
    url.protocol = url.protocol.replace("http", "ws");
    return url.href;
  }
  set src(value) {
    this.setAttribute("src", value);
  }

  /** Name of the stream that is shown, "" before there is any. */
  get stream() {
    return this.getAttribute("stream") ?? this.#channel?.name ?? "";
  }
  set stream(value) {
    this.setAttribute("stream", value);
  }

  get avatar() {
    return this.getAttribute("avatar") ?? "";
  }
  set avatar(value) {
    this.setAttribute("avatar", value);
  }

  /** "head" or "screen". */
  get kind() {
    return this.getAttribute("kind") === "screen" ? "screen" : "head";
  }
  set kind(value) {
    this.setAttribute("kind", value);
  }

  get muted() {
    return this.hasAttribute("muted");
  }
  set muted(value) {
    this.toggleAttribute("muted", Boolean(value));
  }

  // ---- what it is doing ----

  get connected() {
    return this.#hub?.wire.alive ?? false;
  }
  get audible() {
    return (this.#channel?.playout.audible ?? false) && !this.muted;
  }
  get speaking() {
    return this.#speaking;
  }
  /** Names of the weights, in their order. */
  get names() {
    return this.#names;
  }
  /** ARKit names that the avatar cannot show. */
  get missing() {
    return this.#lacks;
  }
  /** Names of the streams that there are. */
  get streams() {
    return [...(this.#hub?.streams.keys() ?? [])];
  }
  /** The style that the stream speaks in, "" when unknown. */
  get speakingStyle() {
    return this.#hub?.streams.get(this.stream)?.style ?? "";
  }
  /** Names that `setStyle` takes, where the bridge tells them. */
  get styles() {
    return this.#hub?.styles ?? [];
  }
  /** The weights that are shown now, by `names`; in place, copy what you keep. */
  get weights() {
    return this.#pose.weights;
  }
  /** Yaw, pitch and roll that are shown now, radians. */
  get head() {
    return this.#pose.head;
  }
  /** Media time of the stream that is heard now, s; NaN before it began. */
  get time() {
    const { playout } = this.#channel ?? {};
    return playout && playout.epoch !== null && playout.anchor ? (playout.heard() - playout.epoch) / 1000 : NaN;
  }
  /** The node through which the stream's sound goes, for meters and recorders; null while it is silent. */
  get audioNode() {
    return this.#channel?.playout.gain ?? null;
  }

  /** Figures of the connection, the sound and the pictures; times in ms. */
  get stats() {
    const playout = this.#channel?.playout;
    const wire = this.#hub?.wire;
    const sorted = [...this.#skews].sort((a, b) => a - b);
    const share = (q) => (sorted.length ? sorted[Math.ceil(q * sorted.length) - 1] : NaN);
    return {
      connected: this.connected,
      loaded: this.#view !== null && !this.#loading,
      connections: wire?.connections ?? 0,
      lost: wire?.lost ?? 0,
      errors: wire?.errors ?? 0,
      clockOffset: wire?.clock.offset ?? NaN,
      clockDelay: wire?.clock.delay ?? NaN,
      frames: playout?.counts.frames ?? 0,
      lateFrames: playout?.counts.lateFrames ?? 0,
      samples: playout?.counts.samples ?? 0,
      underruns: playout?.counts.underruns ?? 0,
      overflows: playout?.counts.overflows ?? 0,
      lead: playout?.lead ?? NaN,
      ahead: playout?.ahead() ?? 0,
      sampleRate: playout?.context?.sampleRate ?? NaN,
      outputLatency: 1000 * (playout?.context?.outputLatency ?? NaN),
      skewP50: share(0.5),
      skewP99: share(0.99),
      fps: this.#rate.fps,
      rendered: this.#rendered,
    };
  }

  // ---- what it can do ----

  /** Let it sound. Browsers want this to be called while the user clicks or taps. */
  async unmute() {
    this.muted = false;
    await this.#channel?.start();
  }

  /**
   * Stop the stream's speech (barge-in); the bridge is told how much of it was heard.
   * @returns {Promise<{ played_frames: number, dropped_frames: number }>}
   */
  async interrupt() {
    const played = this.time;
    return this.#ask("interrupt", {
      played_ns: BigInt(Number.isNaN(played) ? -1 : Math.max(0, Math.round(played * 1e9))),
    });
  }

  /**
   * Let the stream speak in another style: a name, or what the bridge understands ("warm=0.7, happiness=0.3").
   * @param {string} style
   */
  async setStyle(style) {
    await this.#ask("set_style", { style });
  }

  async #ask(topic, body) {
    if (!this.#hub) throw new Error("this face is not part of a page");
    return this.#hub.wire.ask(topic, { stream: this.stream, ...body });
  }

  /**
   * Show a model that is not at an address: a dropped file.
   * @param {Blob | ArrayBuffer} model content of a .glb or .vrm @param {string} [label]
   */
  async load(model, label = "the model") {
    this.#dropped = { source: model instanceof Blob ? await model.arrayBuffer() : model, label };
    if (this.kind === "head" && this.#view) await this.#dress();
  }

  // ---- life ----

  connectedCallback() {
    if (this.#alive) return; // it was only moved
    this.#alive = true;
    for (const name of ["src", "stream", "avatar", "kind", "muted"]) {
      if (!Object.hasOwn(this, name)) continue; // set before this module was loaded
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
    this.#resized.observe(this.#canvas);
    this.#seen.observe(this);
    this.#join();
    this.#make();
  }

  disconnectedCallback() {
    queueMicrotask(() => {
      if (this.isConnected || !this.#alive) return;
      this.#alive = false;
      this.#resized.disconnect();
      this.#seen.disconnect();
      this.#visible = false;
      cancelAnimationFrame(this.#request);
      this.#request = 0;
      this.#part();
      this.#unmake();
    });
  }

  attributeChangedCallback(name, before, after) {
    if (before === after || !this.#alive) return;
    if (name === "src") {
      this.#part();
      this.#join();
    } else if (name === "stream") this.#follow();
    else if (name === "muted") this.#channel?.sound();
    else if (name === "kind") this.#make();
    else if (name === "avatar") {
      this.#dropped = null;
      if (this.kind === "head" && this.#view) this.#dress();
    } else this.#view?.restyle?.();
  }

  #join() {
    try {
      this.#hub = Hub.join(this.src, this);
    } catch (error) {
      return this.#fail(`no bridge can be at ${this.getAttribute("src")}: ${error.message}`);
    }
    this.hello();
  }

  #part() {
    if (this.#channel) this.#hub.hide(this.#channel, this);
    this.#channel = null;
    this.#hub?.leave(this);
    this.#hub = null;
    this.told("soundchange");
  }

  /** The hub knows more of the bridge: names, streams. */
  hello() {
    const { names } = this.#hub;
    if (names.length && names.join() !== this.#names.join()) {
      this.#names = names;
      this.#index = new Map(names.map((name, i) => [name, i]));
      this.#pose.weights = new Float32Array(names.length);
      if (this.#view) this.#dress();
    }
    this.#follow();
    this.#emit("streams", { streams: this.streams });
  }

  /** Show the stream that is asked for, or the first that there is for as long as it is there. */
  #follow() {
    if (!this.#hub) return;
    const shown = this.#channel?.name;
    const name = this.getAttribute("stream") || (this.#hub.streams.has(shown) ? shown : this.streams[0]);
    if (!name || name === shown) return;
    if (this.#channel) this.#hub.hide(this.#channel, this);
    this.#skews = [];
    this.#channel = this.#hub.show(name, this);
  }

  /** News of the hub: a change of its own, or an event of the stream. */
  told(kind, message = null) {
    if (kind === "soundchange") {
      this.shadowRoot.querySelector("button").hidden = !this.#channel?.blocked || this.muted;
      this.#emit("soundchange", { audible: this.audible, blocked: this.#channel?.blocked ?? false });
    } else if (kind === "connect" || kind === "disconnect") this.#emit(kind, {});
    else if (message) this.#emit(EVENTS[kind] ?? kind, { stream: this.stream, pts: message.pts_ns, ...message.data });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // ---- pictures ----

  async #make() {
    this.#unmake();
    const turn = this.#making;
    const kind = this.kind;
    let View;
    try {
      View = kind === "screen" ? (await import("./screen.js")).ScreenView : (await import("./head.js")).HeadView;
    } catch (error) {
      return this.#fail(`a part of the page is missing: ${error.message}`);
    }
    if (turn !== this.#making) return;
    // a canvas keeps the kind of its first context
    const canvas = this.#canvas.cloneNode();
    this.#resized.unobserve(this.#canvas);
    this.#canvas.replaceWith(canvas);
    this.#canvas = canvas;
    try {
      this.#view = new View(canvas, this);
    } catch (error) {
      return this.#fail(`this browser cannot draw a ${kind}: ${error.message}`);
    }
    this.#resized.observe(canvas);
    await this.#dress();
  }

  #unmake() {
    this.#making++;
    this.#view?.dispose();
    this.#view = null;
  }

  async #dress() {
    const view = this.#view;
    const { source, label } = this.#dropped ?? {
      source: this.avatar ? new URL(this.avatar, location.href).href : HEAD.href,
      label: this.avatar || "the built-in head",
    };
    this.#loading++;
    try {
      this.#lacks = await view.load(source, this.#names);
      if (view !== this.#view) return;
      if (this.#lacks.length) {
        console.warn(
          `toktalk-face: ${label} lacks ${this.#lacks.length} of ${this.#names.length}: ${this.#lacks.join(", ")}`,
        );
      }
      this.#emit("avatar", { label, missing: this.#lacks });
    } catch (error) {
      if (view === this.#view) this.#fail(`${label} cannot be shown: ${error.message}`);
    } finally {
      this.#loading--;
    }
  }

  #fail(text) {
    console.warn(`toktalk-face: ${text}`);
    this.#emit("avatarerror", { message: text });
  }

  #loop() {
    if (this.#visible && !this.#request) this.#request = requestAnimationFrame(this.#draw);
  }

  #draw = (now) => {
    this.#request = 0;
    this.#loop();
    if (!this.#view || now - this.#drawn < this.#view.interval) return;
    this.#drawn = now;
    const playout = this.#channel?.playout;
    const begin = performance.now();
    // the face of the instant at which the picture will be ready
    const aim = playout?.anchor ? playout.heard() + this.#cost : null;
    const moved = playout?.sample(aim, this.#pose) ?? false;
    if (!playout) this.#pose.weights.fill(0);
    if (moved) this.#idle.rouse(now);
    else this.#idle.apply(now, this.#pose.weights, this.#index, this.connected);
    this.#speaking = moved && aim - playout.frames.at(-1).pts < QUIET;
    if (now - this.#rate.since >= 1000) {
      this.#rate = { since: now, count: 0, fps: (1000 * this.#rate.count) / (now - this.#rate.since) };
    }
    if (this.#view.apply(this.#pose.weights, this.#pose.head)) {
      this.#view.render(now);
      this.#rendered++;
      this.#rate.count++;
      if (moved) {
        const cost = performance.now() - begin;
        this.#cost += 0.2 * (Math.min(cost, 100) - this.#cost);
        this.#skews.push(Math.abs(playout.heard() - aim));
        if (this.#skews.length > SKEWS) this.#skews.shift();
      }
    }
    const time = moved ? (aim - playout.epoch) / 1000 : NaN;
    this.#emit("frame", {
      time,
      speaking: this.#speaking,
      names: this.#names,
      weights: this.#pose.weights,
      head: this.#pose.head,
    });
  };
}

if (!customElements.get("toktalk-face")) customElements.define("toktalk-face", TokTalkFace);
