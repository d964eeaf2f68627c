// The stage: camera, lights and render loop. A face fills the picture on any screen.

import { Box3, Color, DirectionalLight, HemisphereLight, PerspectiveCamera, Scene, Vector3, WebGLRenderer } from "three";

const FIELD = 22; // degrees
const SLOW = 60; // ms for a picture beyond which fewer pixels are drawn
const FAST = 21; // ms below which more are
const COARSEST = 0.5; // samples along a pixel's side, at least

/** Whether WebGL runs on the CPU here, where smooth edges cost too much. `?quality=high` has them anyway. */
function onCpu() {
  if (new URLSearchParams(location.search).get("quality") === "high") return false;
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

export class Stage {
  constructor(canvas) {
    this.cpu = onCpu();
    // 2 x 2 samples a pixel instead of multisampling, which extrapolates colours beyond the lips' small triangles
    this.renderer = new WebGLRenderer({ canvas, antialias: false, alpha: true });
    this.best = this.cpu ? 1 : 2;
    this.ratio = this.best;
    this.pace = { since: 0, count: 0 };
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(FIELD, 1, 0.02, 50);
    const key = light(0xfff4e8, 1.95, [0.5, 0.6, 0.8]);
    const fill = light(0xe2ecff, 0.70, [-0.8, 0.05, 0.6]);
    const rim = light(0xe6eeff, 1.3, [-0.3, 0.6, -0.8]);
    this.scene.add(new HemisphereLight(new Color(0xe6eaf0), new Color(0xb6a09a), 2.25), key, fill, rim);
    this.box = new Box3(new Vector3(-0.13, -0.19, -0.12), new Vector3(0.13, 0.15, 0.12));
    this.turn = { yaw: 0, pitch: 0 };
    addEventListener("resize", () => this.resize());
    this.orbit(canvas);
    this.resize();
  }

  /** Let the camera look at `box`, the part of the model that matters. */
  frame(box) {
    this.box = box.clone();
    this.turn = { yaw: 0, pitch: 0 };
    this.resize();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    this.renderer.setPixelRatio(this.ratio);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.place();
  }

  place() {
    const centre = this.box.getCenter(new Vector3());
    const size = this.box.getSize(new Vector3());
    const half = Math.tan((FIELD * Math.PI) / 360);
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

  /** Dragging looks at the face from the side. */
  orbit(canvas) {
    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      this.turn.yaw = clamp(this.turn.yaw - event.movementX * 0.006, 1.2);
      this.turn.pitch = clamp(this.turn.pitch + event.movementY * 0.006, 0.6);
      this.place();
    });
    canvas.addEventListener("dblclick", () => this.frame(this.box));
  }

  render(now) {
    this.renderer.render(this.scene, this.camera);
    this.dirty = false;
    this.adapt(now);
  }

  /** Every 30 pictures: fewer pixels where they come too slowly, more where there is time. */
  adapt(now) {
    if (now - this.pace.last > 500) this.pace = { since: now, count: 0 }; // it rested, that says nothing
    this.pace.last = now;
    if (++this.pace.count <= 30) return;
    const each = (now - this.pace.since) / 30;
    this.pace = { since: now, count: 0 };
    const next = each > SLOW ? this.ratio * 0.8 : each < FAST ? this.ratio / 0.8 : this.ratio;
    const ratio = Math.min(Math.max(next, COARSEST), this.best);
    if (ratio === this.ratio || document.hidden) return;
    this.ratio = ratio;
    this.resize();
  }
}

function light(color, strength, [x, y, z]) {
  const lamp = new DirectionalLight(color, strength);
  lamp.position.set(x, y, z);
  return lamp;
}

const clamp = (value, limit) => Math.min(Math.max(value, -limit), limit);
