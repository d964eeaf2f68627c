// The one WebGL context of a page: every head is drawn by it and copied to its own canvas, because browsers lend a page
// 16 contexts at most, telephones 8, and take the oldest away beyond.

import { WebGLRenderer } from "three";

const SLOW = 60; // ms between pictures beyond which fewer pixels are drawn
const FAST = 21; // ms below which more are
const COARSEST = 0.5; // of the pixels along a side, at least

/** @type {Painter | null} */
let shared = null;

export class Painter {
  /** The page's painter; each user calls `leave` once. */
  static join() {
    shared ??= new Painter();
    shared.users++;
    return shared;
  }

  constructor() {
    this.users = 0;
    // more samples than pixels instead of multisampling, which extrapolates colours beyond the lips' small triangles
    this.renderer = new WebGLRenderer({ antialias: false, alpha: true });
    this.renderer.setScissorTest(true);
    this.restored = 0; // when the context came back last, ms
    this.onRestored = () => (this.restored = performance.now());
    this.renderer.domElement.addEventListener("webglcontextrestored", this.onRestored);
    /** WebGL runs on the CPU, which others need too. `?quality=high` draws finely all the same. */
    this.cpu = softwareGl(this.renderer.getContext()) && new URLSearchParams(location.search).get("quality") !== "high";
    this.scale = 1; // of the pixels that a head asks for
    this.pace = { last: 0, since: 0, count: 0 };
    this.size = [0, 0];
  }

  leave() {
    if (--this.users) return;
    shared = null;
    this.renderer.domElement.removeEventListener("webglcontextrestored", this.onRestored);
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }

  /** Pixels for one of the page's own: at least two samples a pixel along each side, three on the densest screens. */
  density() {
    return this.scale * (this.cpu ? 1 : Math.min(Math.max(2, devicePixelRatio), 3));
  }

  /**
   * Draw a scene into the 2D canvas of `target`, as large as that is.
   * @param {CanvasRenderingContext2D} target
   */
  draw(scene, camera, target) {
    if (this.renderer.getContext().isContextLost()) return; // the last picture stays
    const { width, height } = target.canvas;
    if (width > this.size[0] || height > this.size[1]) {
      this.size = [Math.max(width, this.size[0]), Math.max(height, this.size[1])];
      this.renderer.setSize(this.size[0], this.size[1], false);
    }
    this.renderer.setViewport(0, 0, width, height);
    this.renderer.setScissor(0, 0, width, height);
    this.renderer.render(scene, camera);
    target.clearRect(0, 0, width, height);
    target.drawImage(this.renderer.domElement, 0, this.size[1] - height, width, height, 0, 0, width, height);
  }

  /** Every 30 pictures of one head: fewer pixels where they come too slowly, more where there is time. */
  adapt(now) {
    const { pace } = this;
    if (now - pace.last > 500) Object.assign(pace, { since: now, count: 0 }); // it rested, that says nothing
    pace.last = now;
    if (++pace.count <= 30 * this.users) return;
    const each = (now - pace.since) / 30;
    this.pace = { last: now, since: now, count: 0 };
    if (document.hidden) return;
    const next = each > SLOW ? this.scale * 0.8 : each < FAST ? this.scale / 0.8 : this.scale;
    this.scale = Math.min(Math.max(next, COARSEST), 1);
  }
}

function softwareGl(gl) {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "";
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}
