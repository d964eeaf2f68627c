// VRM 0.x and 1.0: perfect-sync expressions by their ARKit names, else the standard ones; the head bone; the eyes.

import { VRMLoaderPlugin, VRMUtils } from "@pixiv/three-vrm";
import { match, PRESET_SOURCES, presets } from "./arkit.js";

const GAZE_SIDE = 30; // degrees at a weight of 1
const GAZE_UP = 26;
const MOST_STEP = 0.1; // s of hair and cloth moved at once

/**
 * @param {any} loader a GLTFLoader @param {ArrayBuffer} buffer @param {string} base
 */
export async function loadVrm(loader, buffer, base) {
  const gltf = await loader.register((parser) => new VRMLoaderPlugin(parser)).parseAsync(buffer, base);
  const { vrm } = gltf.userData;
  if (!vrm) throw new Error("its VRM extension cannot be read");
  VRMUtils.rotateVRM0(vrm); // 0.x looks the other way
  if (vrm.humanoid) vrm.humanoid.autoUpdateHumanBones = false; // the avatar turns the bone itself
  if (vrm.lookAt) vrm.lookAt.autoUpdate = false;
  return {
    scene: vrm.scene,
    head: vrm.humanoid?.getRawBoneNode("head") ?? null,
    tick: (seconds) => vrm.update(Math.min(seconds, MOST_STEP)),
    bind: (names) => bind(vrm, names),
  };
}

/** What shows weights: `show(weights)`, the ARKit names `found`, how many of them are `perfect`, and `gaze` alone. */
function bind(vrm, names) {
  const manager = vrm.expressionManager;
  const own = (manager?.expressions ?? []).map((expression) => expression.expressionName);
  const hits = match(names, own);
  const place = new Map(names.map((name, i) => [name, i]));
  const standard = (weights) => presets((name) => weights[place.get(name) ?? -1] ?? 0);
  const gaze = (weights) => look(vrm, standard(weights));
  if (hits.size) {
    const pairs = [...hits].map(([name, target]) => [place.get(name), target]);
    return {
      found: new Set(hits.keys()),
      perfect: hits.size,
      gaze,
      show(weights) {
        for (const [from, to] of pairs) manager.setValue(to, weights[from]);
        if (!hits.has("eyeLookUpLeft")) gaze(weights);
      },
    };
  }
  const shown = own.filter((name) => /^(aa|ih|ou|ee|oh|blink|blinkLeft|blinkRight)$/.test(name));
  const winks = shown.includes("blinkLeft") && !shown.includes("blink");
  const eyed = (name) => name.startsWith("eyeLook");
  return {
    found: new Set(names.filter((name) => PRESET_SOURCES.has(name) && (eyed(name) ? vrm.lookAt : shown.length))),
    perfect: 0,
    gaze,
    show(weights) {
      const values = standard(weights);
      if (winks) for (const side of ["blinkLeft", "blinkRight"]) values[side] += values.blink;
      for (const name of shown) manager.setValue(name, values[name]);
      look(vrm, values);
    },
  };
}

/** Both eyes turn; to the person's left is positive. */
function look(vrm, { lookLeft, lookRight, lookUp, lookDown }) {
  if (!vrm.lookAt) return;
  vrm.lookAt.yaw = GAZE_SIDE * (lookLeft - lookRight);
  vrm.lookAt.pitch = -GAZE_UP * (lookUp - lookDown);
}
