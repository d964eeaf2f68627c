// The viewer's page: controls, captions and the panel of values around one <toktalk-face>.

import "./toktalk-face.js";
import { Panel } from "./panel.js";

const $ = (id) => document.getElementById(id);
const params = new URLSearchParams(location.search);
const face = /** @type {import("../toktalk-face.d.ts").TokTalkFace} */ ($("face"));
const panel = new Panel($("panel"));
for (const name of ["stream", "avatar", "kind"]) if (params.has(name)) face.setAttribute(name, params.get(name));

const FEW = 5; // names that a notice lists; the panel marks all
let noticed = 0;

function notice(text) {
  const box = $("notice");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(noticed);
  noticed = setTimeout(() => (box.hidden = true), 12_000);
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

// ---- what the face tells ----

face.addEventListener("speechstart", ({ detail }) => caption(typeof detail.text === "string" ? detail.text : ""));
face.addEventListener("speechend", () => caption(""));
face.addEventListener("interrupted", () => caption(""));
face.addEventListener("fault", ({ detail }) => detail.detail && notice(String(detail.detail).slice(0, 400)));
face.addEventListener("disconnect", () => setStatus("lost", "no connection"));
face.addEventListener("avatarerror", ({ detail }) => notice(detail.message));
face.addEventListener("avatar", ({ detail }) => {
  if (face.names.join() !== panel.names.join()) panel.setNames(face.names);
  panel.setMissing(detail.missing);
  const { label, missing } = detail;
  const more = missing.length > FEW ? ", …" : "";
  if (missing.length) notice(`${label} lacks ${missing.length}: ${missing.slice(0, FEW).join(", ")}${more}`);
});
face.addEventListener("soundchange", ({ detail }) => {
  $("hear").querySelector("span").textContent = detail.audible ? "Mute" : "Click to hear";
});
face.addEventListener("streams", ({ detail }) => {
  const list = $("streams").querySelector("select");
  list.replaceChildren(...detail.streams.map((name) => new Option(name, name)));
  list.value = face.stream;
  $("streams").hidden = detail.streams.length < 2;
  const styles = $("styles").querySelector("select");
  styles.replaceChildren(new Option("choose", ""), ...face.styles.map((name) => new Option(name, name)));
  $("styles").hidden = !face.styles.length;
  showStyle();
});
face.addEventListener("stylechange", showStyle);
face.addEventListener("frame", ({ detail }) => {
  if (face.connected)
    setStatus(
      ...(detail.speaking ? ["speaking", "speaking"] : ["ready", face.stream ? "ready" : "waiting for speech"]),
    );
  $("stop").hidden = !detail.speaking;
  panel.update(performance.now(), detail.weights, figures);
});

const ms = (value) => (Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : "–");

function figures() {
  const s = face.stats;
  return {
    Stream: face.stream || "none",
    Sound: face.audible ? `on, ${s.sampleRate} Hz` : "off",
    Network: ms(s.clockDelay),
    "Face ahead by": ms(s.lead),
    "Sound buffer": ms(s.ahead),
    "Output latency": ms(s.outputLatency),
    "Face to sound": `${ms(s.skewP50)}, 99 %: ${ms(s.skewP99)}`,
    Underruns: String(s.underruns),
    "Late frames": String(s.lateFrames),
    "Lost messages": String(s.lost),
    "Bad messages": String(s.errors),
    Pictures: `${s.fps.toFixed(0)} / s`,
  };
}

function showStyle() {
  const box = field("style");
  if (document.activeElement !== box) box.value = face.speakingStyle;
  const list = $("styles").querySelector("select");
  list.value = face.styles.includes(face.speakingStyle) ? face.speakingStyle : "";
}

async function speakIn(style) {
  try {
    await face.setStyle(style);
  } catch (error) {
    notice(`This style cannot be chosen: ${error.message}`);
    showStyle();
  }
}

// ---- controls ----

$("hear").addEventListener("click", async () => {
  if (face.audible) face.muted = true;
  else await face.unmute();
});

$("stop").addEventListener("click", async () => {
  try {
    await face.interrupt();
  } catch (error) {
    notice(`It cannot be stopped: ${error.message}`);
  }
});

const form = /** @type {HTMLFormElement} */ ($("style"));
const field = (name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const [style, strength] = [field("style"), field("strength")];
  const blend =
    style.value.includes("=") || strength.value === "1"
      ? style.value.trim()
      : `${style.value.trim()}=${strength.value}`;
  speakIn(blend);
});
form.addEventListener(
  "input",
  () => (form.querySelector("output").textContent = Number(field("strength").value).toFixed(2)),
);

$("styles").addEventListener("change", ({ target }) => {
  const style = /** @type {HTMLSelectElement} */ (target).value;
  if (style) speakIn(style);
});

$("toggle").addEventListener("click", () => {
  const box = $("panel");
  box.hidden = !box.hidden;
  $("toggle").setAttribute("aria-expanded", String(!box.hidden));
  document.body.classList.toggle("open", !box.hidden);
});

$("streams").addEventListener("change", () => {
  face.stream = $("streams").querySelector("select").value;
  caption("");
  showStyle();
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
  if (file) await face.load(file, file.name);
});
