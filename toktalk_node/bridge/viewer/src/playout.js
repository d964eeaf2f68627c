// Playout of one stream: sound goes to WebAudio, the face is read at the instant that is being heard.
//
// One line maps presentation time (pts, ms on the server's clock) to the output's time (s): the time of the
// AudioContext once the user let it sound, before that the page's own. Sound is scheduled ahead along that line; the
// face is asked by `heard()`, the pts that leaves the loudspeaker now, so a late face catches up by itself.

import { floats } from "./wire.js";

const JITTER = 0.08; // s that a stream's first message is held, so that later ones may come late
const MOST_JITTER = 0.64; // s that it is held after underruns, each of which doubles the time
const LEAD = 0.02; // s between scheduling and sounding at least
const KEEP = 10_000; // ms of face kept behind, and of sound kept for the moment it is switched on
const HOLD = 120; // ms that the last frame holds before the face comes to rest
const SETTLE = 220; // ms in which it does

export class Playout {
  constructor(serverOffset) {
    this.serverOffset = serverOffset; // () => ms
    this.context = null;
    this.gain = null;
    this.anchor = null; // { pts, time }
    this.frames = []; // { pts, weights, head, step } by pts
    this.sounds = []; // { pts, end, samples, rate, source }
    this.media = null; // { epoch, ... } of the newest message
    this.counts = { frames: 0, lateFrames: 0, underruns: 0, samples: 0 };
    this.hold = JITTER;
    this.lead = NaN; // ms between a face message's arrival and its instant
  }

  get audible() {
    return this.context?.state === "running";
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

  /** Output time at which the server wants `pts` to be heard. */
  dueTime(pts) {
    return this.outputNow() + (pts - this.serverOffset() - performance.now()) / 1000;
  }

  /** Anchor the line so that `pts` is heard when it is due, but late enough to be scheduled. */
  anchorAt(pts) {
    const soonest = (this.audible ? this.context.currentTime : this.outputNow()) + this.hold;
    this.anchor = { pts, time: Math.max(soonest, this.dueTime(pts)) };
  }

  /** Whether nothing is playing and nothing waits: then a new line may begin. */
  idle() {
    const heard = this.heard();
    if (heard === null) return true;
    const lastSound = this.sounds.at(-1)?.end ?? -Infinity;
    const lastFrame = this.frames.at(-1);
    return heard > lastSound && heard > (lastFrame ? lastFrame.pts + lastFrame.step : -Infinity);
  }

  face(message) {
    const pts = Number(message.pts_ns) / 1e6;
    const step = 1000 / message.fps;
    this.media = { epoch: pts - message.start * step };
    this.lead = pts - this.serverOffset() - performance.now();
    const contiguous = this.frames.length && Math.abs(this.frames.at(-1).pts + step - pts) < 1;
    if (this.idle() && !contiguous) this.anchorAt(pts);
    const soundless = !(this.sounds.at(-1)?.end > this.heard());
    if (soundless && pts + message.count * step < this.heard()) this.anchorAt(pts); // only sound may outrun the face
    const weights = floats(message.weights);
    const head = floats(message.head);
    const heard = this.heard();
    for (let k = 0; k < message.count; k++) {
      const at = pts + k * step;
      if (at + step < heard) this.counts.lateFrames++;
      this.insert({
        pts: at,
        step,
        weights: weights.subarray(k * message.width, (k + 1) * message.width),
        head: head.subarray(3 * k, 3 * k + 3),
      });
    }
    this.counts.frames += message.count;
    while (this.frames.length && this.frames[0].pts < heard - KEEP) this.frames.shift();
  }

  insert(frame) {
    let at = this.frames.length;
    while (at > 0 && this.frames[at - 1].pts > frame.pts) at--;
    const same = at > 0 && Math.abs(this.frames[at - 1].pts - frame.pts) < frame.step / 2;
    this.frames.splice(same ? at - 1 : at, same ? 1 : 0, frame);
  }

  audio(message) {
    const pts = Number(message.pts_ns) / 1e6;
    const sound = {
      pts,
      end: pts + (1000 * message.count) / message.rate,
      samples: floats(message.samples),
      rate: message.rate,
      source: null,
    };
    this.media = { epoch: pts - (1000 * message.start) / message.rate };
    if (!message.count) return;
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
    this.counts.samples += message.count;
    this.sounds.push(sound);
    this.schedule(sound);
    const heard = this.heard();
    while (this.sounds.length && this.sounds[0].end < heard - KEEP) this.sounds.shift();
  }

  soonest() {
    return this.audible ? this.context.currentTime : this.outputNow();
  }

  schedule(sound) {
    if (!this.audible) return;
    const context = this.context;
    const begin = this.timeOf(sound.pts);
    const now = context.currentTime;
    const late = Math.max(0, now + LEAD / 4 - begin);
    if (late * sound.rate >= sound.samples.length) return;
    const buffer = context.createBuffer(1, sound.samples.length, sound.rate);
    buffer.copyToChannel(sound.samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.gain);
    source.onended = () => source.disconnect();
    // on the sample grid, so that neighbouring chunks join without a click
    const start = Math.round((begin + late) * context.sampleRate) / context.sampleRate;
    source.start(start, late);
    sound.source = source;
    sound.start = start - late;
  }

  /** Let the stream sound. `rate` is the stream's, so that no chunk is resampled on its own. */
  async unmute(rate) {
    const heard = this.heard();
    if (this.context?.sampleRate !== rate && !this.odd) {
      this.context?.close();
      for (const sound of this.sounds) sound.source = null;
      try {
        this.context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
      } catch {
        this.context = new AudioContext(); // a rate that this machine cannot do: it resamples
        this.odd = true;
      }
      this.gain = this.context.createGain();
      this.gain.connect(this.context.destination);
    }
    await this.context.resume();
    if (heard !== null) {
      // the line goes on: what was about to be seen is now heard too, as soon as it can be scheduled
      this.anchor = { pts: heard, time: this.context.currentTime + LEAD };
      for (const sound of this.sounds) if (sound.end > heard && !sound.source) this.schedule(sound);
    }
  }

  /** Silence the stream; the face goes on by the page's clock from where it was. */
  async mute() {
    if (!this.audible) return;
    const heard = this.heard();
    for (const sound of this.sounds) {
      sound.source?.stop();
      sound.source = null;
    }
    await this.context.suspend();
    if (heard !== null) this.anchor = { pts: heard, time: this.outputNow() };
  }

  /** All that was announced for `pts` and later is void; the sound fades within 15 ms. */
  cut(pts) {
    this.frames = this.frames.filter((frame) => frame.pts < pts);
    const heard = this.heard() ?? 0;
    for (const sound of this.sounds) {
      if (sound.end <= pts || !sound.source) continue;
      const at = Math.max(this.context.currentTime, this.timeOf(pts));
      if (pts <= heard + 30) {
        this.gain.gain.setTargetAtTime(0, this.context.currentTime, 0.004);
        this.gain.gain.setValueAtTime(1, this.context.currentTime + 0.03);
      }
      sound.source.stop(at + 0.015);
    }
    this.sounds = this.sounds.filter((sound) => sound.pts < pts).map((sound) => ({ ...sound, end: Math.min(sound.end, pts) }));
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
    for (let i = 0; i < out.weights.length; i++) out.weights[i] = keep * (frame.weights[i] ?? 0);
    for (let i = 0; i < 3; i++) out.head[i] = keep * frame.head[i];
    return true;
  }

  rest(out) {
    out.weights.fill(0);
    out.head.fill(0);
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
