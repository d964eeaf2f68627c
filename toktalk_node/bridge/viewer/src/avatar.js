// A model with ARKit morph targets: finding its targets by name, its head, and moving both.

import { Box3, Euler, Quaternion, Vector3 } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";
import { match } from "./arkit.js";

const MOST_BYTES = 512 << 20;
const OWN = "toktalk_node.face.head"; // the asset's generator of the project's own head
const FEW = 8; // names below which a VRM's own expressions say more than its morph targets

/** The JSON part of a glTF file, or null where there is none. */
function peek(buffer) {
  const view = new DataView(buffer);
  const text = new TextDecoder();
  try {
    if (view.getUint32(0, true) !== 0x46546c67) return JSON.parse(text.decode(buffer));
    return JSON.parse(text.decode(new Uint8Array(buffer, 20, view.getUint32(12, true))));
  } catch {
    return null; // the loader says what is wrong
  }
}

async function download(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  if (Number(response.headers.get("Content-Length") ?? 0) > MOST_BYTES)
    throw new Error(`${url} is larger than 512 MiB`);
  return response.arrayBuffer();
}

export class Avatar {
  /**
   * @param {string | ArrayBuffer} source address or content of a .glb, .gltf or .vrm
   * @param {string[]} names ARKit's, in the order of the weights
   */
  static async load(source, names) {
    const buffer = typeof source === "string" ? await download(source) : source;
    const base = typeof source === "string" ? new URL(".", new URL(source, location.href)).href : "";
    const loader = new GLTFLoader().setMeshoptDecoder(MeshoptDecoder);
    const json = peek(buffer);
    const used = json?.extensionsUsed ?? [];
    if (!used.includes("VRM") && !used.includes("VRMC_vrm")) {
      const avatar = new Avatar((await loader.parseAsync(buffer, base)).scene, names);
      avatar.own = json?.asset?.generator === OWN;
      return avatar;
    }
    const { loadVrm } = await import("./vrm.js");
    const vrm = await loadVrm(loader, buffer, base);
    const avatar = new Avatar(vrm.scene, names, { head: vrm.head, optional: true, tick: vrm.tick });
    const expressions = vrm.bind(names);
    const better = expressions.perfect >= avatar.found.size || avatar.found.size < FEW;
    if (better) avatar.use(expressions);
    else avatar.dress = (weights) => expressions.gaze(weights);
    return avatar;
  }

  /** `optional`: a model without ARKit's targets is one all the same; `tick(seconds)` moves hair and cloth. */
  constructor(scene, names, { head = null, optional = false, tick = null } = {}) {
    this.scene = scene;
    this.names = names;
    this.morphs = []; // { influences, pairs: [place of the name, place of the target] }
    this.found = new Set();
    this.own = false;
    this.tick = tick;
    this.dress = null;
    this.weights = null; // as shown
    this.angles = null;
    const faces = [];
    scene.traverse((node) => {
      if (!node.isMesh) return;
      node.frustumCulled = false;
      if (!node.morphTargetDictionary) return;
      const hits = match(names, Object.keys(node.morphTargetDictionary));
      if (!hits.size) return;
      faces.push(node);
      for (const name of hits.keys()) this.found.add(name);
      const pairs = names.flatMap((name, i) =>
        hits.has(name) ? [[i, node.morphTargetDictionary[hits.get(name)]]] : [],
      );
      this.morphs.push({ influences: node.morphTargetInfluences, pairs });
    });
    if (!faces.length && !optional) throw new Error("this model has no ARKit blendshapes");
    this.head = head ?? headOf(scene);
    this.rest = this.head.quaternion.clone();
    scene.updateMatrixWorld(true);
    this.up = this.head.parent ? this.head.parent.getWorldQuaternion(new Quaternion()) : new Quaternion();
    this.box = faces.length ? faceBox(faces) : headBox(this.head);
  }

  /** ARKit names that this model cannot show. */
  get missing() {
    return this.names.filter((name) => !this.found.has(name));
  }

  /** Let a VRM's expressions show the weights instead of morph targets. */
  use(expressions) {
    this.morphs = [];
    this.found = expressions.found;
    this.dress = expressions.show;
  }

  /** Show `weights` by `names` and turn the head by yaw, pitch, roll (radians; left, up, left); whether it changed. */
  apply(weights, head) {
    const same = (a, b) => b?.length === a.length && a.every((value, i) => Math.abs(value - b[i]) < 1e-4);
    if (same(weights, this.weights) && same(head, this.angles)) return false;
    [this.weights, this.angles] = [weights.slice(), head.slice()];
    for (const { influences, pairs } of this.morphs) for (const [from, to] of pairs) influences[to] = weights[from];
    this.dress?.(weights);
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
      node.skeleton?.dispose();
      for (const material of [node.material ?? []].flat()) {
        for (const value of Object.values(material)) if (value?.isTexture) value.dispose();
        for (const uniform of Object.values(material.uniforms ?? {}))
          if (uniform.value?.isTexture) uniform.value.dispose();
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

/** Room around the part of `meshes` that their targets move, so that a full body is shown as a portrait. */
function faceBox(meshes) {
  const box = new Box3();
  const point = new Vector3();
  for (const mesh of meshes) {
    const targets = mesh.geometry.morphAttributes.position ?? [];
    const count = mesh.geometry.attributes.position.count;
    for (let i = 0; i < count; i++) {
      if (!targets.some((t) => Math.abs(t.getX(i)) + Math.abs(t.getY(i)) + Math.abs(t.getZ(i)) > 1e-6)) continue;
      box.expandByPoint(mesh.getVertexPosition(i, point).applyMatrix4(mesh.matrixWorld));
    }
  }
  if (box.isEmpty()) return meshes.reduce((all, mesh) => all.union(new Box3().setFromObject(mesh)), box);
  const size = box.getSize(new Vector3());
  return box.expandByVector(new Vector3(0.3 * size.x, 0.3 * size.y, 0));
}

/** A person's head above the joint of the same name, metres. */
function headBox(joint) {
  const centre = joint.getWorldPosition(new Vector3()).add(new Vector3(0, 0.08, 0));
  return new Box3().setFromCenterAndSize(centre, new Vector3(0.28, 0.36, 0.24));
}
