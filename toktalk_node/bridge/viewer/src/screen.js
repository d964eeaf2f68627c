// The view of a drawn face, for robots whose face is a display: two eyes, two brows and a mouth on a plain ground.
//
// Everything lies on a board of 1000 x 1000 units, the middle of the face at (0, 0), y downwards; the person's left is
// on the right of the picture.

import { drawMouth } from "./mouth.js";

const BOARD = { width: 880, height: 900, raised: 50 };
const EYE = { x: 232, y: -100, rx: 124, ry: 150 };
const WIDEST = 1.3; // how much further apart eyes stand on a wide display
const MOST_DENSITY = 2; // pixels for one of the page's, along a side
const MOST_PIXELS = 2.5e6; // a display that has more shows larger ones

/** Colour -> its default; each is the CSS variable --face-NAME of the element, on the left the ground. */
export const COLORS = {
  background: "#0e1726",
  eye: "#f7fbff",
  iris: "#2bb3d6",
  pupil: "#0b1a2b",
  lid: "#8fd8ec",
  brow: "#8fd8ec",
  lip: "#ff8a80",
  mouth: "#5a1230",
  teeth: "#ffffff",
  tongue: "#ff6f7d",
  cheek: "#ff5d8f",
};
/** What can be left out by the attribute `features`. */
export const FEATURES = ["brows", "pupils", "cheeks", "teeth", "tongue"];

const mix = (a, b, t) => a + (b - a) * t;

export class ScreenView {
  /** @param {HTMLCanvasElement} canvas @param {Element} host whose CSS variables say the colours */
  constructor(canvas, host) {
    this.canvas = canvas;
    this.host = host;
    // drawn by the CPU in about a millisecond; by a GPU that the CPU plays, it would take a hundred
    this.pen = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.interval = 0;
    this.index = new Map();
    this.drawn = null;
    this.ratio = 1;
    this.restyle();
  }

  /** Names of the weights; a drawn face lacks none that matters. */
  async load(_, names) {
    this.index = new Map(names.map((name, i) => [name, i]));
    this.drawn = null;
    return [];
  }

  /** Read colours and features again. */
  restyle() {
    const style = getComputedStyle(this.host);
    this.colors = Object.fromEntries(
      Object.entries(COLORS).map(([name, color]) => [name, style.getPropertyValue(`--face-${name}`).trim() || color]),
    );
    const wanted = this.host.getAttribute("features");
    this.features = new Set(wanted === null ? FEATURES : wanted.split(/[\s,]+/));
    this.resize();
  }

  resize() {
    this.ratio = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const density = Math.min(this.ratio, MOST_DENSITY, Math.sqrt(MOST_PIXELS / (width * height || 1)));
    this.canvas.width = Math.max(1, Math.round(width * density));
    this.canvas.height = Math.max(1, Math.round(height * density));
    this.drawn = null;
  }

  apply(weights, head) {
    if (devicePixelRatio !== this.ratio) this.resize(); // on another display now
    const same = (a, b) => b?.length === a.length && a.every((value, i) => Math.abs(value - b[i]) < 2e-3);
    if (this.drawn && same(weights, this.drawn.weights) && same(head, this.drawn.head)) return false;
    this.drawn = { weights: weights.slice(), head: head.slice() };
    return true;
  }

  render() {
    const { pen, canvas, colors, features } = this;
    const { weights, head } = this.drawn;
    const w = (name) => weights[this.index.get(name) ?? -1] ?? 0;
    const scale = Math.min(canvas.width / BOARD.width, canvas.height / BOARD.height);
    const wide = Math.min(Math.max(canvas.width / scale / BOARD.width, 1), WIDEST);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = colors.background;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    const [yaw, pitch, roll] = head;
    pen.translate(canvas.width / 2, canvas.height / 2);
    pen.scale(scale, scale);
    pen.rotate(0.8 * roll);
    pen.translate(190 * yaw, -190 * pitch - BOARD.raised);
    pen.lineCap = pen.lineJoin = "round";
    if (features.has("cheeks")) this.cheeks(w, wide);
    for (const side of ["Left", "Right"]) {
      // the half of the face that turns away grows narrower
      const sign = side === "Left" ? 1 : -1;
      const narrow = 1 - 0.25 * Math.max(-0.6, Math.min(0.6, sign * yaw));
      pen.save();
      pen.translate(sign * EYE.x * mix(1, wide, 0.75) * mix(1, narrow, 0.5), EYE.y);
      pen.scale(sign * narrow, 1);
      this.eye((name) => w(name + side), sign);
      if (features.has("brows")) this.brow((name) => w(name + side), w("browInnerUp"));
      pen.restore();
    }
    pen.translate(40 * yaw, 246 - 30 * pitch);
    drawMouth(pen, w, colors, features);
  }

  /** One eye around (0, 0), its outer corner to the right. */
  eye(w, sign) {
    const { pen, colors, features } = this;
    const wide = w("eyeWide");
    const rx = EYE.rx * (1 + 0.04 * wide);
    const ry = EYE.ry * (1 + 0.13 * wide);
    const shut = Math.min(w("eyeBlink"), 1);
    const squint = Math.min(w("eyeSquint") * 0.75 + w("cheekSquint") * 0.6, 1) * (1 - shut);
    const rest = 46; // where the lids meet
    const bow = (x) => 26 * (1 - (x / rx) ** 2);
    const upper = [];
    const lower = [];
    const droop = (0.09 + 0.16 * w("browDown") + 0.1 * squint) * (1 - wide);
    for (let i = 0; i <= 24; i++) {
      const angle = Math.PI * (1 - i / 24);
      const x = rx * Math.cos(angle);
      const round = Math.sin(angle) ** 0.85; // a little squarer than an ellipse
      const line = rest + bow(x);
      upper.push([x, mix(-ry * round * (1 - droop), line, shut)]);
      // a squinting lower lid rises into an arch: eyes that smile
      const arch = Math.min(ry * round, 88 - 86 * (1 - (x / rx) ** 2));
      lower.push([x, mix(mix(ry * round, arch, squint), line, shut)]);
    }
    if (shut < 0.97) {
      trace(pen, upper);
      for (const [x, y] of lower.reverse()) pen.lineTo(x, y);
      pen.closePath();
      pen.save();
      pen.fillStyle = colors.eye;
      pen.fill();
      pen.clip();
      if (features.has("pupils")) this.iris(w, sign, rx, ry);
      pen.restore();
    }
    if (shut < 0.06) return;
    pen.strokeStyle = colors.lid;
    pen.lineWidth = 20 * Math.min(1, 1.6 * shut);
    trace(pen, upper);
    pen.stroke();
  }

  iris(w, sign, rx, ry) {
    const { pen, colors } = this;
    const x = rx * 0.42 * (w("eyeLookOut") - w("eyeLookIn"));
    const y = ry * 0.36 * (w("eyeLookDown") - w("eyeLookUp")) + 10;
    disc(pen, x, y, 92, colors.iris);
    disc(pen, x, y, 60, colors.pupil);
    disc(pen, x + sign * -30, y - 36, 25, colors.eye); // the light stands on one side of both
    disc(pen, x + sign * 26, y + 32, 12, colors.eye);
  }

  /** A brow above the eye at (0, 0), its inner end to the left. */
  brow(w, innerUp) {
    const { pen, colors } = this;
    const down = w("browDown");
    const up = w("browOuterUp");
    const inner = -180 - 48 * innerUp - 12 * up + 84 * down;
    const outer = -170 - 40 * up - 6 * innerUp + 4 * down;
    const middle = -210 - 42 * up - 26 * innerUp + 42 * down;
    const pinch = 16 * down;
    pen.strokeStyle = colors.brow;
    pen.lineWidth = 26;
    pen.beginPath();
    pen.moveTo(-84 - pinch, inner);
    pen.quadraticCurveTo(6 - pinch, 2 * middle - (inner + outer) / 2, 92, outer);
    pen.stroke();
  }

  cheeks(w, wide) {
    const { pen, colors } = this;
    for (const side of ["Left", "Right"]) {
      const sign = side === "Left" ? 1 : -1;
      const glow = Math.max(w(`mouthSmile${side}`), w(`cheekSquint${side}`));
      pen.globalAlpha = 0.28 + 0.3 * glow + 0.15 * w("cheekPuff");
      pen.fillStyle = colors.cheek;
      pen.beginPath();
      const puff = 1 + 0.35 * w("cheekPuff");
      pen.ellipse(sign * 322 * mix(1, wide, 0.6), 130 - 18 * glow, 58 * puff, 36 * puff, 0, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  dispose() {
    this.canvas.width = this.canvas.height = 1;
  }
}

function trace(pen, points) {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
}

function disc(pen, x, y, radius, color) {
  pen.fillStyle = color;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fill();
}
