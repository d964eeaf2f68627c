// The mouth of the drawn face: two lips whose edges are curves between two corners, moved by ARKit's mouth weights.

const clamp = (v) => Math.min(Math.max(v, 0), 1);
const mix = (a, b, t) => a + (b - a) * t;

/**
 * Where the lips are, in the units of screen.js around the mouth's middle.
 * @param {(name: string) => number} w weight of an ARKit name
 */
export function mouthShape(w) {
  const mean = (name) => (w(`${name}Left`) + w(`${name}Right`)) / 2;
  const jaw = w("jawOpen");
  const open = Math.max(0, jaw - w("mouthClose")); // the jaw opens, mouthClose brings the lips together again
  const funnel = w("mouthFunnel");
  const pucker = w("mouthPucker");
  const press = mean("mouthPress");
  const round = Math.min(0.62 * pucker + 0.46 * funnel, 0.74);
  const oval = clamp(1.5 * round); // how far corners are in the middle of the height
  const gap = 250 * open * (1 - 0.35 * press);
  const parting = 0.5 + 0.5 * clamp(3 * open); // lifted lips part wholly only once the jaw opens
  const up = 0.16 * gap + parting * (44 * mean("mouthUpperUp") + 14 * mean("noseSneer")) + 30 * funnel + 8 * pucker;
  const down = 0.84 * gap + parting * 50 * mean("mouthLowerDown") + 34 * funnel + 10 * pucker;
  const shrug = 18 * w("mouthShrugLower") + 14 * w("mouthShrugUpper");
  const seam = 14 + 42 * w("mouthClose") * (0.4 + jaw) - shrug; // where shut lips meet
  const [top, bottom] = [seam - up * (1 - press), seam + down * (1 - press)];
  const shift = 46 * (w("mouthLeft") - w("mouthRight"));
  const corner = (side, sign) => {
    const [smile, frown, stretch, dimple] = ["Smile", "Frown", "Stretch", "Dimple"].map((kind) =>
      w(`mouth${kind}${side}`),
    );
    const out = -22 * press + 34 * smile + 40 * stretch + 16 * dimple - 14 * frown - 24 * open;
    const y = -18 * (1 - 0.6 * press) - 56 * smile + 58 * frown + 8 * stretch - 6 * dimple + 34 * open;
    return { x: sign * (158 + out) * (1 - round) + shift, y: mix(y, (top + bottom) / 2, oval) };
  };
  const full = 1 + 0.5 * pucker + 0.35 * funnel - 0.2 * mean("mouthStretch") - 0.18 * mean("mouthSmile");
  return {
    left: corner("Left", 1),
    right: corner("Right", -1),
    top,
    bottom,
    gap: bottom - top,
    upper: Math.max(5, 22 * full * (1 - 0.55 * press) * (1 - 0.85 * w("mouthRollUpper"))),
    lower: Math.max(5, 26 * full * (1 - 0.5 * press) * (1 - 0.85 * w("mouthRollLower"))),
    // handles of an edge's curve, as a share of the way to the corners: an ellipse at 1
    fullness: mix(mix(0.62, 0.86, clamp(gap / 130)), 1, oval),
    shift: shift + 34 * (w("jawLeft") - w("jawRight")),
    tongue: w("tongueOut"),
    teeth: 1 - clamp(2 * round),
  };
}

/**
 * @param {CanvasRenderingContext2D} pen at the mouth's middle
 * @param {(name: string) => number} w weight of an ARKit name
 */
export function drawMouth(pen, w, colors, features) {
  const m = mouthShape(w);
  const half = Math.abs(m.left.x - m.right.x) / 2;
  const inside = new Path2D();
  edge(inside, m, m.top, true);
  edge(inside, m, m.bottom, false);
  const lips = new Path2D();
  edge(lips, m, m.top - m.upper, true);
  edge(lips, m, m.bottom + m.lower, false);
  pen.strokeStyle = pen.fillStyle = colors.lip;
  pen.lineWidth = 16; // rounds the corners
  pen.stroke(lips);
  pen.fill(lips);
  if (m.gap > 5) {
    pen.save();
    pen.clip(inside);
    pen.fillStyle = colors.mouth;
    pen.fillRect(-400, -300, 800, 800);
    if (features.has("tongue")) {
      pen.fillStyle = colors.tongue;
      pen.beginPath();
      pen.ellipse(m.shift, m.bottom + 34 - 40 * m.tongue, 0.62 * half, 62, 0, 0, 7);
      pen.fill();
    }
    if (features.has("teeth") && m.gap > 20) {
      pen.fillStyle = colors.teeth;
      const tall = Math.min(30, 0.32 * m.gap) * m.teeth;
      pen.beginPath();
      pen.roundRect(m.shift / 2 - 0.6 * half, m.top - 20, 1.2 * half, tall + 20, 14);
      pen.fill();
    }
    pen.restore();
  } else {
    pen.strokeStyle = colors.mouth;
    pen.lineWidth = 7;
    const seam = new Path2D();
    edge(seam, m, (m.top + m.bottom) / 2, true);
    pen.stroke(seam);
  }
  if (features.has("tongue") && m.tongue > 0.12) tongueOut(pen, m, half, colors);
}

/** A curve between the corners whose middle lies about at `y`; the first starts at the left corner. */
function edge(path, m, y, first) {
  const [from, to] = first ? [m.left, m.right] : [m.right, m.left];
  if (first) path.moveTo(from.x, from.y);
  const middle = (from.x + to.x) / 2;
  const reach = (corner) => mix(middle, corner.x, m.fullness) + 0.6 * (m.shift - middle) * (1 - m.fullness);
  // a cubic whose ends and handles are at these heights passes through y in its middle
  const handle = (8 * y - from.y - to.y) / 6;
  path.bezierCurveTo(reach(from), handle, reach(to), handle, to.x, to.y);
}

function tongueOut(pen, m, half, colors) {
  const wide = Math.min(70, 0.72 * half);
  const top = (m.top + m.bottom) / 2;
  const length = m.bottom - top + m.lower + 85 * m.tongue;
  pen.fillStyle = colors.tongue;
  pen.beginPath();
  pen.roundRect(m.shift - wide, top, 2 * wide, length, [12, 12, wide, wide]);
  pen.fill();
  pen.strokeStyle = colors.mouth;
  pen.globalAlpha = 0.35;
  pen.lineWidth = 6;
  pen.beginPath();
  pen.moveTo(m.shift, top + 14);
  pen.lineTo(m.shift, top + 0.6 * length);
  pen.stroke();
  pen.globalAlpha = 1;
}
