// A model with ARKit morph targets: finding its targets by name, its head, and moving both.

import { Box3, Euler, Quaternion } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";

const loader = new GLTFLoader().setMeshoptDecoder(MeshoptDecoder);

/** A target's name without prefix, letter case and separators: `head_blendShape2.eyeBlink_L` is `...eyeblinkleft`. */
export function plain(name) {
  return name
    .replace(/[_.\- ]L$/i, "Left")
    .replace(/[_.\- ]R$/i, "Right")
    .replace(/[^a-z0-9]/gi, "")
    .toLowerCase();
}

/** For each ARKit name the keys of `dictionary` that mean it; a longer name wins over its own ending. */
export function match(names, dictionary) {
  const wanted = names.map((name) => [plain(name), name]).sort((a, b) => b[0].length - a[0].length);
  const found = new Map();
  for (const key of Object.keys(dictionary)) {
    const hit = wanted.find(([short]) => plain(key).endsWith(short));
    if (hit) found.set(hit[1], dictionary[key]);
  }
  return found;
}

export class Avatar {
  static async load(source, names) {
    const gltf = source instanceof ArrayBuffer ? await loader.parseAsync(source, "") : await loader.loadAsync(source);
    return new Avatar(gltf.scene, names);
  }

  constructor(scene, names) {
    this.scene = scene;
    this.names = names;
    this.morphs = []; // { influences, pairs: [index of the name, index of the target] }
    const found = new Set();
    const faces = [];
    scene.traverse((node) => {
      if (!node.isMesh) return;
      node.frustumCulled = false;
      if (!node.morphTargetDictionary) return;
      const hits = match(names, node.morphTargetDictionary);
      if (!hits.size) return;
      faces.push(node);
      for (const name of hits.keys()) found.add(name);
      const pairs = names.flatMap((name, i) => (hits.has(name) ? [[i, hits.get(name)]] : []));
      this.morphs.push({ influences: node.morphTargetInfluences, pairs });
    });
    if (!faces.length) throw new Error("this model has no ARKit blendshapes");
    this.missing = names.filter((name) => !found.has(name));
    this.head = headOf(scene);
    this.rest = this.head.quaternion.clone();
    scene.updateMatrixWorld(true);
    this.up = this.head.parent ? this.head.parent.getWorldQuaternion(new Quaternion()) : new Quaternion();
    this.box = faces.reduce((box, mesh) => box.union(new Box3().setFromObject(mesh)), new Box3());
  }

  /** Show `weights` by `names` and turn the head by yaw, pitch, roll (radians; left, up, left); whether it changed. */
  apply(weights, head) {
    const same = (a, b) => b?.length === a.length && a.every((value, i) => Math.abs(value - b[i]) < 1e-4);
    if (same(weights, this.weights) && same(head, this.angles)) return false;
    [this.weights, this.angles] = [weights.slice(), head.slice()];
    for (const { influences, pairs } of this.morphs) for (const [from, to] of pairs) influences[to] = weights[from];
    const [yaw, pitch, roll] = head;
    turned.setFromEuler(euler.set(-pitch, yaw, -roll, "YXZ"));
    // the turn is meant in the world's axes, the head's rest pose is in its parent's
    this.head.quaternion.copy(inverse.copy(this.up).invert()).multiply(turned).multiply(this.up).multiply(this.rest);
    return true;
  }

  dispose() {
    this.scene.removeFromParent();
    this.scene.traverse((node) => {
      node.geometry?.dispose();
      for (const material of [node.material ?? []].flat()) {
        for (const value of Object.values(material)) if (value?.isTexture) value.dispose();
        material.dispose();
      }
    });
  }
}

const turned = new Quaternion();
const inverse = new Quaternion();
const euler = new Euler();

function headOf(scene) {
  let best = null;
  scene.traverse((node) => {
    if (!node.isMesh && /(^|[_:. ])head$/i.test(node.name) && (!best || node.isBone)) best = node;
  });
  return best ?? scene;
}

