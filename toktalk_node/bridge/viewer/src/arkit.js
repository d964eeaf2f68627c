// ARKit's names as models write them, and what a model without them can show instead.

/** Apple's 52 names, for the time before the bridge says which it sends. */
export const BLENDSHAPES = `
  eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft eyeBlinkRight
  eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight jawForward jawLeft
  jawRight jawOpen mouthClose mouthFunnel mouthPucker mouthLeft mouthRight mouthSmileLeft mouthSmileRight
  mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower
  mouthRollUpper mouthShrugLower mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft
  mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight browInnerUp browOuterUpLeft
  browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut
`
  .trim()
  .split(/\s+/);

/** A target's name without prefix, letter case and separators: `head_blendShape2.eyeBlink_L` is `...eyeblinkleft`. */
export function plain(name) {
  return name
    .replace(/[_.\- ]L$/i, "Left")
    .replace(/[_.\- ]R$/i, "Right")
    .replace(/[^a-z0-9]/gi, "")
    .toLowerCase();
}

/**
 * For each ARKit name the targets of a model that mean it; a longer name wins over its own ending.
 * @param {string[]} names ARKit's @param {string[]} targets the model's
 * @returns {Map<string, string>} ARKit name -> target
 */
export function match(names, targets) {
  const wanted = names.map((name) => [plain(name), name]).sort((a, b) => b[0].length - a[0].length);
  const found = new Map();
  for (const target of targets) {
    const hit = wanted.find(([short]) => plain(target).endsWith(short));
    if (hit) found.set(hit[1], target);
  }
  return found;
}

/** ARKit names that the standard expressions of VRM take into account. */
export const PRESET_SOURCES = new Set(
  BLENDSHAPES.filter((name) => /^(jawOpen|mouth(Close|Funnel|Pucker|Smile|Stretch)|eye(Blink|Look))/.test(name)),
);

const OPEN = 0.5;
const APART = 0.08;
const FUNNEL = 0.4;
const PUCKER = 0.6;
const SPREAD = 0.25;
const unit = (v) => Math.min(Math.max(v, 0), 1);

/**
 * The standard expressions of VRM that show about what ARKit weights show: docs/vrm.md has the formulas, bridge/vmc.py
 * the same ones. `blink` and what one eye is shut beyond it add up, as do the five mouths, to 1 at most.
 * @param {(name: string) => number} w weight of an ARKit name
 */
export function presets(w) {
  const both = (name) => (w(`${name}Left`) + w(`${name}Right`)) / 2;
  const gap = w("jawOpen") - w("mouthClose");
  const apart = unit(gap / APART);
  const opening = unit(gap / OPEN);
  const rounded = unit(Math.max(w("mouthFunnel") / FUNNEL, w("mouthPucker") / PUCKER));
  const spread = unit((both("mouthStretch") + both("mouthSmile")) / 2 / SPREAD) * (1 - rounded);
  const [left, right] = [w("eyeBlinkLeft"), w("eyeBlinkRight")];
  const blink = Math.min(left, right);
  const up = both("eyeLookUp") - both("eyeLookDown");
  const aside = (w("eyeLookOutLeft") - w("eyeLookInLeft") + w("eyeLookInRight") - w("eyeLookOutRight")) / 2;
  return {
    aa: apart * (1 - rounded - spread) * opening,
    ih: apart * spread * (1 - opening),
    ou: apart * rounded * (1 - opening),
    ee: apart * spread * opening,
    oh: apart * rounded * opening,
    blink,
    blinkLeft: left - blink,
    blinkRight: right - blink,
    lookUp: unit(up),
    lookDown: unit(-up),
    lookLeft: unit(aside),
    lookRight: unit(-aside),
  };
}
