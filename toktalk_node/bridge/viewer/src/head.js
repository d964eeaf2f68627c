// The view of a 3D head: scene, lights, camera, and the avatar that stands there.

import { Box3, Color, DirectionalLight, HemisphereLight, PerspectiveCamera, Scene, Vector3 } from "three";
import { Avatar } from "./avatar.js";
import { Painter } from "./painter.js";

const FIELD = 22; // degrees
const CPU_INTERVAL = 40; // ms between pictures where WebGL runs on the CPU
const OWN_BOX = new Box3(new Vector3(-0.13, -0.19, -0.12), new Vector3(0.13, 0.15, 0.12));

export class HeadView {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.painter = Painter.join();
    this.canvas = canvas;
    this.target = canvas.getContext("2d");
    this.avatar = null;
    this.loads = 0;
    this.dirty = false;
    this.interval = this.painter.cpu ? CPU_INTERVAL : 0;
    this.drawn = 0;
    this.shape = [0, 0, 0];
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(FIELD, 1, 0.02, 50);
    const key = light(0xfff4e8, 1.95, [0.5, 0.6, 0.8]);
    const fill = light(0xe2ecff, 0.7, [-0.8, 0.05, 0.6]);
    const rim = light(0xe6eeff, 1.3, [-0.3, 0.6, -0.8]);
    this.scene.add(new HemisphereLight(new Color(0xe6eaf0), new Color(0xb6a09a), 2.25), key, fill, rim);
    this.box = OWN_BOX.clone();
    this.turn = { yaw: 0, pitch: 0 };
    this.orbits = new AbortController();
    this.orbit(this.orbits.signal);
  }

  /**
   * Show another model; the one before stays where this one cannot be read.
   * @param {string | ArrayBuffer} source @param {string[]} names
   * @returns {Promise<string[]>} names that it lacks
   */
  async load(source, names) {
    const turn = ++this.loads;
    const next = await Avatar.load(source, names);
    if (!this.painter || turn !== this.loads) {
      next.dispose(); // it came too late
      return this.avatar?.missing ?? [];
    }
    this.avatar?.dispose();
    this.avatar = next;
    this.scene.add(next.scene);
    this.box = next.own ? OWN_BOX.clone() : next.box;
    this.turn = { yaw: 0, pitch: 0 };
    this.place();
    return next.missing;
  }

  /** Whether a picture with these values differs from the last one. */
  apply(weights, head) {
    return (
      this.avatar !== null && (this.avatar.apply(weights, head) || this.dirty || this.painter.restored > this.drawn)
    );
  }

  render(now) {
    const { clientWidth, clientHeight } = this.canvas;
    const density = this.painter.density();
    const shape = [clientWidth, clientHeight, density];
    if (shape.some((value, i) => value !== this.shape[i])) {
      this.shape = shape;
      this.canvas.width = Math.max(1, Math.round(clientWidth * density));
      this.canvas.height = Math.max(1, Math.round(clientHeight * density));
      this.place();
    }
    this.avatar.tick?.((now - this.drawn) / 1000);
    this.painter.draw(this.scene, this.camera, this.target);
    this.painter.adapt(now);
    this.drawn = now;
    this.dirty = false;
  }

  resize() {
    this.dirty = true;
  }

  place() {
    const centre = this.box.getCenter(new Vector3());
    const size = this.box.getSize(new Vector3());
    const half = Math.tan((FIELD * Math.PI) / 360);
    this.camera.aspect = this.canvas.width / this.canvas.height;
    const distance = Math.max(size.y / 2 / half, size.x / 2 / half / this.camera.aspect) + size.z / 2;
    const { yaw, pitch } = this.turn;
    const back = new Vector3(Math.sin(yaw) * Math.cos(pitch), Math.sin(pitch), Math.cos(yaw) * Math.cos(pitch));
    this.camera.position.copy(centre).addScaledVector(back, distance);
    this.camera.near = distance / 50;
    this.camera.far = distance * 20;
    this.camera.lookAt(centre);
    this.camera.updateProjectionMatrix();
    this.dirty = true;
  }

  /** Dragging, with a mouse or a finger, looks at the face from the side; a double click from the front again. */
  orbit(signal) {
    let at = { x: 0, y: 0 };
    this.canvas.addEventListener(
      "pointerdown",
      (event) => {
        this.canvas.setPointerCapture(event.pointerId);
        at = event;
      },
      { signal },
    );
    this.canvas.addEventListener(
      "pointermove",
      (event) => {
        if (!event.buttons || !event.isPrimary) return;
        this.turn.yaw = clamp(this.turn.yaw - (event.x - at.x) * 0.006, 1.2);
        this.turn.pitch = clamp(this.turn.pitch + (event.y - at.y) * 0.006, 0.6);
        at = event;
        this.place();
      },
      { signal },
    );
    this.canvas.addEventListener(
      "dblclick",
      () => {
        this.turn = { yaw: 0, pitch: 0 };
        this.place();
      },
      { signal },
    );
  }

  dispose() {
    this.orbits.abort();
    this.avatar?.dispose();
    this.avatar = null;
    this.painter?.leave();
    this.painter = null;
  }
}

function light(color, strength, [x, y, z]) {
  const lamp = new DirectionalLight(color, strength);
  lamp.position.set(x, y, z);
  return lamp;
}

const clamp = (value, limit) => Math.min(Math.max(value, -limit), limit);
