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
export const PRESET_SOURCES = [
  "jawOpen",
  "mouthClose",
  "mouthFunnel",
  "mouthPucker",
  "mouthSmileLeft",
  "mouthSmileRight",
  "mouthStretchLeft",
  "mouthStretchRight",
  "mouthDimpleLeft",
  "mouthDimpleRight",
  "mouthUpperUpLeft",
  "mouthUpperUpRight",
  "mouthLowerDownLeft",
  "mouthLowerDownRight",
  "eyeBlinkLeft",
  "eyeBlinkRight",
];

const clamp = (v) => Math.min(Math.max(v, 0), 1);

/**
 * The standard expressions of VRM (aa ih ou ee oh, blinks) that show about what ARKit weights show; docs/web.md says
 * how. The five mouths add up to 1 at most.
 * @param {(name: string) => number} w weight of an ARKit name
 */
export function presets(w) {
  const both = (name) => (w(`${name}Left`) + w(`${name}Right`)) / 2;
  // half of a full jawOpen is a wide "ah" in speech
  const open = clamp(2 * (w("jawOpen") - w("mouthClose")) + 0.5 * (both("mouthUpperUp") + both("mouthLowerDown")));
  const funnel = w("mouthFunnel");
  const pucker = w("mouthPucker");
  const round = clamp(1.6 * Math.max(funnel, pucker));
  const spread =
    clamp(1.6 * Math.max(both("mouthStretch"), both("mouthDimple"), 0.8 * both("mouthSmile"))) * (1 - round);
  const out = {
    oh: round * open,
    ou: round * (1 - open) * (1 - w("mouthClose")),
    ee: spread * open * (1 - 0.5 * open),
    ih: spread * (1 - open) * 0.6,
    aa: open * (1 - round) * (1 - 0.7 * spread),
    blinkLeft: w("eyeBlinkLeft"),
    blinkRight: w("eyeBlinkRight"),
    blink: 0,
  };
  const mouths = ["aa", "ih", "ou", "ee", "oh"];
  const sum = mouths.reduce((total, name) => total + out[name], 0);
  if (sum > 1) for (const name of mouths) out[name] /= sum;
  return out;
}
