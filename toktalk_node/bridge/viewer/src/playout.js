// Playout of one stream: sound goes to WebAudio, the face is read at the instant that is being heard.
//
// One line maps presentation time (pts, ms on the server's clock) to the output's time (s): the time of the
// AudioContext once the user let it sound, before that the page's own. Sound is scheduled ahead along that line; the
// face is asked by `heard()`, the pts that leaves the loudspeaker now, so a late face catches up by itself.

import { acquire, release } from "./audio.js";

const JITTER = 0.08; // s that a stream's first message is held, so that later ones may come late
const MOST_JITTER = 0.64; // s that it is held after underruns, each of which doubles the time
const LEAD = 0.02; // s between scheduling and sounding at least
const KEEP = 10_000; // ms of face kept behind, and of sound kept for the moment it is switched on
const HOLD = 120; // ms that the last frame holds before the face comes to rest
const SETTLE = 220; // ms in which it does
const MOST_FRAMES = 30_000;
const MOST_SAMPLES = 8 << 20;
const MOST_TURN = 1.5; // radians

export class Playout {
  /** @param {() => number} serverOffset server clock minus performance.now(), ms */
  constructor(serverOffset) {
    this.serverOffset = serverOffset;
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {GainNode | null} all sound of the stream passes here */
    this.gain = null;
    this.contextRate = 0;
    this.audible = false;
    this.anchor = null; // { pts, time }
    this.frames = []; // { pts, weights, head, step } by pts
    this.sounds = []; // { pts, end, samples, rate, source }
    this.stored = 0; // samples in `sounds`
    this.epoch = null; // pts of media time 0, ms
    /** @type {{ weights: Float32Array, head: Float32Array } | null} the face at rest, where the stream said so */
    this.resting = null;
    this.counts = { frames: 0, lateFrames: 0, underruns: 0, samples: 0, overflows: 0 };
    this.hold = JITTER;
    this.lead = NaN; // ms between a face message's arrival and its instant
  }

  /** Output time that is being heard now, s. */
  outputNow() {
    if (!this.audible) return performance.now() / 1000;
    const context = this.context;
    const latency = context.outputLatency || context.baseLatency || 0;
    const plain = context.currentTime - latency;
    const stamp = context.getOutputTimestamp?.();
    if (stamp?.performanceTime > 0) {
      const fine = stamp.contextTime + (performance.now() - stamp.performanceTime) / 1000;
      if (Math.abs(fine - plain) < 0.25) return fine;
    }
    return plain;
  }

  /** Presentation time that is being heard now, ms; null before the stream began. */
  heard() {
    return this.anchor && this.anchor.pts + (this.outputNow() - this.anchor.time) * 1000;
  }

  timeOf(pts) {
    return this.anchor.time + (pts - this.anchor.pts) / 1000;
  }

  /** ms until the server wants `pts` to be heard. */
  until(pts) {
    return pts - this.serverOffset() - performance.now();
  }

  /** Anchor the line so that `pts` is heard when it is due, but late enough to be scheduled. */
  anchorAt(pts) {
    this.anchor = { pts, time: Math.max(this.soonest() + this.hold, this.outputNow() + this.until(pts) / 1000) };
  }

  soonest() {
    return this.audible ? this.context.currentTime : this.outputNow();
  }

  /** Whether nothing is playing and nothing waits: then a new line may begin. */
  idle() {
    const heard = this.heard();
    if (heard === null) return true;
    const lastFrame = this.frames.at(-1);
    return (
      heard > (this.sounds.at(-1)?.end ?? -Infinity) && heard > (lastFrame ? lastFrame.pts + lastFrame.step : -Infinity)
    );
  }

  /** @param {any} message a Face */
  face(message) {
    const pts = Number(message.pts_ns) / 1e6;
    const step = 1000 / message.fps;
    this.epoch = pts - message.start * step;
    this.lead = this.until(pts);
    const contiguous = this.frames.length && Math.abs(this.frames.at(-1).pts + step - pts) < 1;
    if (this.idle() && !contiguous) this.anchorAt(pts);
    const soundless = !(this.sounds.at(-1)?.end > this.heard());
    if (soundless && pts + message.count * step < this.heard()) this.anchorAt(pts); // only sound may outrun the face
    const heard = this.heard();
    while (this.frames.length && this.frames[0].pts < heard - KEEP) this.frames.shift();
    if (this.frames.length + message.count > MOST_FRAMES) return void this.counts.overflows++;
    const { weights, head, width } = message;
    for (let i = 0; i < weights.length; i++) weights[i] = Math.min(Math.max(weights[i], 0), 1);
    for (let i = 0; i < head.length; i++) head[i] = Math.min(Math.max(head[i], -MOST_TURN), MOST_TURN);
    for (let k = 0; k < message.count; k++) {
      const at = pts + k * step;
      if (at + step < heard) this.counts.lateFrames++;
      this.insert({
        pts: at,
        step,
        weights: weights.subarray(k * width, (k + 1) * width),
        head: head.subarray(3 * k, 3 * k + 3),
      });
    }
    this.counts.frames += message.count;
  }

  insert(frame) {
    let at = this.frames.length;
    while (at > 0 && this.frames[at - 1].pts > frame.pts) at--;
    const same = at > 0 && Math.abs(this.frames[at - 1].pts - frame.pts) < frame.step / 2;
    this.frames.splice(same ? at - 1 : at, same ? 1 : 0, frame);
  }

  /** @param {any} message an Audio */
  audio(message) {
    const pts = Number(message.pts_ns) / 1e6;
    this.epoch = pts - (1000 * message.start) / message.rate;
    if (!message.count) return;
    const sound = {
      pts,
      end: pts + (1000 * message.count) / message.rate,
      samples: message.samples,
      rate: message.rate,
      source: null,
    };
    const previous = this.sounds.at(-1);
    const contiguous = previous && Math.abs(previous.end - pts) < 1;
    if (this.idle() && !contiguous) this.anchorAt(pts);
    else if (this.timeOf(pts) < this.soonest()) {
      if (contiguous) {
        this.counts.underruns++;
        this.hold = Math.min(2 * this.hold, MOST_JITTER);
      }
      this.anchorAt(pts);
    }
    const heard = this.heard();
    while (this.sounds.length && this.sounds[0].end < heard - KEEP) this.stored -= this.sounds.shift().samples.length;
    if (this.stored + message.count > MOST_SAMPLES) return void this.counts.overflows++;
    this.counts.samples += message.count;
    this.stored += message.count;
    this.sounds.push(sound);
    this.schedule(sound);
  }

  schedule(sound) {
    if (!this.audible) return;
    const context = this.context;
    const begin = this.timeOf(sound.pts);
    const late = Math.max(0, context.currentTime + LEAD / 4 - begin);
    if (late * sound.rate >= sound.samples.length) return;
    const buffer = context.createBuffer(1, sound.samples.length, sound.rate);
    buffer.copyToChannel(sound.samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.gain);
    source.onended = () => source.disconnect();
    // on the sample grid, so that neighbouring chunks join without a click
    source.start(Math.round((begin + late) * context.sampleRate) / context.sampleRate, late);
    sound.source = source;
  }

  /**
   * Let the stream sound, in a context of its own rate. In browsers that want a gesture it must be called in one.
   * @param {number} rate Hz
   */
  async unmute(rate) {
    if (this.context && this.contextRate !== rate) this.mute();
    if (!this.context) {
      this.context = acquire(rate);
      this.contextRate = rate;
      this.gain = this.context.createGain();
      this.gain.connect(this.context.destination);
      this.context.addEventListener("statechange", this.follow);
    }
    const context = this.context;
    if (context.state !== "running") await context.resume();
    if (this.context === context) this.follow();
  }

  /** Silence the stream; the face goes on by the page's clock from where it was. */
  mute() {
    if (!this.context) return;
    this.context.removeEventListener("statechange", this.follow);
    this.leave();
    this.gain.disconnect();
    this.context = this.gain = null;
    release(this.contextRate);
  }

  /** The context began to run, or the system took it away (a call on a phone): the line goes on by the other clock. */
  follow = () => {
    if (this.context.state !== "running") return this.leave();
    if (this.audible) return;
    const heard = this.heard();
    this.audible = true;
    if (heard === null) return;
    this.anchor = { pts: heard, time: this.context.currentTime + LEAD };
    for (const sound of this.sounds) if (sound.end > heard) this.schedule(sound);
  };

  leave() {
    if (!this.audible) return;
    const heard = this.heard();
    for (const sound of this.sounds) {
      sound.source?.stop();
      sound.source = null;
    }
    this.audible = false;
    if (heard !== null) this.anchor = { pts: heard, time: this.outputNow() };
  }

  /** All that was announced for `pts` (ms) and later is void; the sound fades within 15 ms. */
  cut(pts) {
    this.frames = this.frames.filter((frame) => frame.pts < pts);
    const heard = this.heard() ?? 0;
    for (const sound of this.sounds) {
      if (sound.end <= pts || !sound.source) continue;
      const now = this.context.currentTime;
      if (pts <= heard + 30) {
        this.gain.gain.setTargetAtTime(0, now, 0.004);
        this.gain.gain.setValueAtTime(1, now + 0.03);
      }
      sound.source.stop(Math.max(now, this.timeOf(pts)) + 0.015);
    }
    this.sounds = this.sounds
      .filter((sound) => sound.pts < pts)
      .map((sound) => ({ ...sound, end: Math.min(sound.end, pts) }));
    this.stored = this.sounds.reduce((sum, sound) => sum + sound.samples.length, 0);
  }

  /** Weights and head at `pts`, interpolated, easing to rest after the last frame; writes into `out`. */
  sample(pts, out) {
    const frames = this.frames;
    let k = frames.length - 1;
    while (k >= 0 && frames[k].pts > pts) k--;
    const frame = frames[k];
    if (pts === null || !frame) return this.rest(out);
    const next = frames[k + 1];
    const gap = next ? next.pts - frame.pts : Infinity;
    if (gap <= 3 * frame.step) {
      const t = (pts - frame.pts) / gap;
      mix(out.weights, frame.weights, next.weights, t);
      mix(out.head, frame.head, next.head, t);
      return true;
    }
    const past = pts - frame.pts - frame.step - HOLD;
    const t = Math.min(Math.max(past / SETTLE, 0), 1);
    if (t === 1) return this.rest(out);
    const keep = 1 - t * t * (3 - 2 * t);
    this.rest(out);
    mix(out.weights, frame.weights, out.weights, 1 - keep);
    mix(out.head, frame.head, out.head, 1 - keep);
    return true;
  }

  rest(out) {
    for (const part of ["weights", "head"]) {
      const values = this.resting?.[part];
      if (values?.length === out[part].length) out[part].set(values);
      else out[part].fill(0);
    }
    return false;
  }

  /** ms of sound scheduled beyond what is heard. */
  ahead() {
    const heard = this.heard();
    const last = this.sounds.at(-1);
    return heard !== null && last ? Math.max(0, last.end - heard) : 0;
  }
}

function mix(out, a, b, t) {
  for (let i = 0; i < out.length; i++) out[i] = (a[i] ?? 0) + t * ((b[i] ?? 0) - (a[i] ?? 0));
}
