// Sound for the whole page: one AudioContext per sample rate, shared, and the browser's leave to make sound.

/** @type {Map<number, { context: AudioContext, users: number }>} */
const outputs = new Map();
/** @type {Set<() => void>} */
const waiting = new Set();
const GESTURES = ["click", "keydown"];
const SILENCE = "data:audio/wav;base64,UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==";

/** Whether sound may start now: somebody touched the page, or the browser was told to allow it (a kiosk). */
export async function allowed() {
  if (navigator.userActivation?.hasBeenActive) return true;
  try {
    const probe = new Audio(SILENCE);
    await probe.play();
    probe.pause();
    return true;
  } catch {
    return false;
  }
}

/** Call `work` in the next gesture of the user; returns what takes that back. */
export function onGesture(work) {
  if (!waiting.size) for (const type of GESTURES) addEventListener(type, gesture);
  waiting.add(work);
  return () => forget(work);
}

function gesture() {
  if (navigator.userActivation && !navigator.userActivation.isActive) return;
  for (const work of [...waiting]) {
    forget(work);
    work();
  }
}

function forget(work) {
  waiting.delete(work);
  if (!waiting.size) for (const type of GESTURES) removeEventListener(type, gesture);
}

/**
 * The context of `rate` Hz, so that no chunk is resampled on its own; give it back with `release`.
 * @param {number} rate
 */
export function acquire(rate) {
  let output = outputs.get(rate);
  if (!output) {
    output = { context: create(rate), users: 0 };
    outputs.set(rate, output);
  }
  output.users++;
  return output.context;
}

/** @param {number} rate as it was acquired */
export function release(rate) {
  const output = outputs.get(rate);
  if (!output || --output.users) return;
  outputs.delete(rate);
  output.context.close();
}

function create(rate) {
  try {
    return new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
  } catch {
    return new AudioContext(); // a rate that this machine cannot do: it resamples
  }
}
