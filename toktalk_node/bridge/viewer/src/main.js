// The viewer's page: wires the bridge's messages to the playout, the playout to the face, and the controls to both.

import { Avatar } from "./avatar.js";
import { Panel } from "./panel.js";
import { Playout } from "./playout.js";
import { Stage } from "./stage.js";
import { Wire } from "./wire.js";

const $ = (id) => document.getElementById(id);
const DEFAULT_RATE = 16000;
const QUIET = 600; // ms without frames after which the face counts as not speaking
const SKEWS = 600;
const CPU_INTERVAL = 40; // ms between pictures where WebGL runs on the CPU, which others need too

const stage = new Stage($("stage"));
const panel = new Panel($("panel"));
const streams = new Map(); // name -> { playout, info }
const pose = { weights: new Float32Array(52), head: new Float32Array(3) };
const skews = [];
let names = [];
let avatar = null;
let current = null;
let wanted = false; // the user asked for sound
let rendered = 0;
let drawn = 0;
let rate = { since: 0, count: 0, fps: 0 };

const wire = new Wire(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
  async hello(reply) {
    const changed = names.join() !== reply.names.join();
    names = reply.names;
    for (const info of reply.streams) stream(info.name).info = info;
    if (!changed) return;
    pose.weights = new Float32Array(names.length);
    panel.setNames(names);
    await show("head.glb", "the built-in head");
  },
  state(open) {
    if (!open) setStatus("lost", "no connection");
  },
  face: (name, message) => stream(name).playout.face(message),
  audio(name, message) {
    const { info, playout } = stream(name);
    info.audio_rate = message.rate;
    if (wanted && name === current && playout.context?.sampleRate !== message.rate) playout.unmute(message.rate);
    playout.audio(message);
  },
  event(name, message) {
    const { playout } = stream(name);
    if (message.kind === "interrupted") playout.cut(Number(message.pts_ns) / 1e6);
    if (name !== current) return;
    if (message.kind === "fault" && message.data.detail) notice(String(message.data.detail).slice(0, 400));
    const text = message.kind === "start" ? message.data.text : "";
    if (["start", "end", "interrupted"].includes(message.kind)) caption(typeof text === "string" ? text : "");
  },
});

function stream(name) {
  if (!streams.has(name)) {
    streams.set(name, { playout: new Playout(() => wire.offset), info: { name } });
    current ??= name;
    const list = $("streams").querySelector("select");
    list.append(new Option(name, name));
    list.value = current;
    $("streams").hidden = streams.size < 2;
  }
  return streams.get(name);
}

async function show(source, label) {
  try {
    const next = await Avatar.load(source, names);
    avatar?.dispose();
    avatar = next;
    stage.scene.add(avatar.scene);
    if (typeof source === "string") avatar.box.copy(stage.box);
    stage.frame(avatar.box);
    panel.setMissing(names, avatar.missing);
    if (avatar.missing.length) notice(`${label} lacks ${avatar.missing.length}: ${avatar.missing.join(", ")}`);
  } catch (error) {
    notice(`${label} cannot be shown: ${error.message}`);
  }
}

function notice(text) {
  const box = $("notice");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => (box.hidden = true), 12_000);
}

function caption(text) {
  $("caption").textContent = text.slice(0, 400);
  $("caption").hidden = !text;
}

function setStatus(state, text) {
  const box = $("status");
  if (box.textContent !== text) box.textContent = text;
  box.dataset.state = state;
}

// ---- one picture ----

function draw(now) {
  requestAnimationFrame(draw);
  if (stage.cpu && now - drawn < CPU_INTERVAL) return;
  drawn = now;
  const active = current ? streams.get(current).playout : null;
  const heard = active?.heard() ?? null;
  const speaking = heard !== null && active.sample(heard, pose);
  if (!speaking) {
    pose.weights.fill(0);
    pose.head.fill(0);
    blink(now);
  }
  report(now, active, heard, speaking);
  if (!avatar || (!avatar.apply(pose.weights, pose.head) && !stage.dirty)) return;
  stage.render(now);
  rendered++;
  if (speaking) {
    // the sound went on while the picture was made: how far it is ahead of the face that is shown
    skews.push(active.heard() - heard);
    if (skews.length > SKEWS) skews.shift();
  }
  rate.count++;
}

function report(now, active, heard, speaking) {
  if (now - rate.since >= 1000) rate = { since: now, count: 0, fps: (1000 * rate.count) / (now - rate.since) };
  if (wire.socket.readyState === WebSocket.OPEN) {
    const fresh = speaking && heard - active.frames.at(-1).pts < QUIET;
    setStatus(...(fresh ? ["speaking", "speaking"] : ["ready", current ? "ready" : "waiting for speech"]));
  }
  $("stop").hidden = !speaking;
  panel.update(now, pose.weights, figures(active));
}

/** A face that waits still blinks. */
function blink(now) {
  const phase = (now % 4300) - 4100;
  if (phase < 0) return;
  const closed = Math.sin((Math.PI * phase) / 200);
  for (const side of ["Left", "Right"]) {
    const index = names.indexOf(`eyeBlink${side}`);
    if (index >= 0) pose.weights[index] = closed;
  }
}

const ms = (value) => (Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : "–");
/** The share `q` of the last faces came to the screen with less than this between them and the sound, ms. */
const skew = (q) => (skews.length ? [...skews].sort((a, b) => a - b)[Math.ceil(q * skews.length) - 1] : NaN);

function figures(active) {
  const counts = active?.counts;
  return {
    Stream: current ?? "none",
    Sound: active?.audible ? `on, ${active.context.sampleRate} Hz` : "off",
    Network: ms(wire.delay),
    "Face ahead by": ms(active?.lead ?? NaN),
    "Sound buffer": ms(active?.ahead() ?? NaN),
    "Output latency": ms(1000 * (active?.context?.outputLatency ?? NaN)),
    "Face to sound": `${ms(skew(0.5))}, 99 %: ${ms(skew(0.99))}`,
    Underruns: String(counts?.underruns ?? 0),
    "Late frames": String(counts?.lateFrames ?? 0),
    "Lost messages": String(wire.lost),
    Pictures: `${rate.fps.toFixed(0)} / s`,
  };
}

// ---- controls ----

$("hear").addEventListener("click", async () => {
  wanted = !wanted;
  $("hear").querySelector("span").textContent = wanted ? "Mute" : "Click to hear";
  if (!current) return;
  const { playout, info } = streams.get(current);
  await (wanted ? playout.unmute(info.audio_rate ?? DEFAULT_RATE) : playout.mute());
});

$("stop").addEventListener("click", async () => {
  const { playout } = streams.get(current);
  const played = playout.media ? Math.max(0, playout.heard() - playout.media.epoch) : -1;
  try {
    await wire.ask("interrupt", { stream: current, played_ns: Math.round(played * 1e6) });
  } catch (error) {
    notice(`It cannot be stopped: ${error.message}`);
  }
});

$("toggle").addEventListener("click", () => {
  const box = $("panel");
  box.hidden = !box.hidden;
  $("toggle").setAttribute("aria-expanded", String(!box.hidden));
  document.body.classList.toggle("open", !box.hidden);
  stage.resize();
});

$("streams").addEventListener("change", async (event) => {
  if (wanted) await streams.get(current).playout.mute();
  current = event.target.value;
  const { playout, info } = streams.get(current);
  if (wanted) await playout.unmute(info.audio_rate ?? DEFAULT_RATE);
  caption("");
});

let dragged = 0;
addEventListener("dragenter", () => ($("drop").hidden = ++dragged === 0));
addEventListener("dragleave", () => ($("drop").hidden = --dragged <= 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", async (event) => {
  event.preventDefault();
  dragged = 0;
  $("drop").hidden = true;
  const file = event.dataTransfer.files[0];
  if (file) await show(await file.arrayBuffer(), file.name);
});

// What tests and the curious read.
window.toktalk = {
  get stats() {
    const active = current ? streams.get(current).playout : null;
    return {
      connected: wire.socket.readyState === WebSocket.OPEN,
      loaded: avatar !== null,
      missing: avatar?.missing ?? [],
      stream: current,
      streams: [...streams.keys()],
      audible: active?.audible ?? false,
      heardMs: active?.heard() ?? null,
      frames: active?.counts.frames ?? 0,
      samples: active?.counts.samples ?? 0,
      underruns: active?.counts.underruns ?? 0,
      lateFrames: active?.counts.lateFrames ?? 0,
      lost: wire.lost,
      errors: wire.errors,
      clockOffsetMs: wire.offset,
      clockDelayMs: wire.delay,
      leadMs: active?.lead ?? null,
      aheadMs: active?.ahead() ?? 0,
      outputLatencyMs: 1000 * (active?.context?.outputLatency ?? NaN),
      skewP50Ms: skew(0.5),
      skewP99Ms: skew(0.99),
      rendered,
      fps: rate.fps,
      weights: Object.fromEntries(names.map((name, i) => [name, pose.weights[i]])),
      head: [...pose.head],
    };
  },
  get playout() {
    return current ? streams.get(current).playout : null;
  },
};

requestAnimationFrame(draw);
