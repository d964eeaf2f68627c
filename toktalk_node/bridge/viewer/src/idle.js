// What a face does when nobody speaks: it blinks and looks around a little; without a bridge it falls asleep.

const SLEEP_AFTER = 3000; // ms without a bridge
const DROWSE = 700; // ms in which the eyes fall shut, or open again
const BLINK = 190; // ms
const GLANCE = 0.22; // of the way that the eyes can go

const smooth = (t) => t * t * (3 - 2 * t);
const unit = (t) => Math.min(Math.max(t, 0), 1);
/** A number in [0, 1) that looks random and is always the same for `n`. */
const noise = (n) => Math.abs((Math.sin(n * 127.1 + 11.7) * 43758.5453) % 1);

export class Idle {
  constructor() {
    this.awake = 1;
    this.seen = performance.now(); // when the bridge was there last
    this.last = this.seen;
    this.blinkAt = this.seen + 2500;
    this.blinks = 0;
    this.glances = 0;
    this.glanceUntil = this.seen + 2000;
    this.from = this.to = [0, 0];
    this.moved = this.seen;
  }

  /** Somebody speaks through this face: it is awake, and blinks some time later. */
  rouse(now) {
    this.seen = this.last = now;
    this.awake = 1;
    this.blinkAt = Math.max(this.blinkAt, now + 1000);
  }

  /**
   * Writes the resting face into `weights`, which are 0.
   * @param {number} now ms @param {Float32Array} weights @param {Map<string, number>} index name -> place
   * @param {boolean} connected
   */
  apply(now, weights, index, connected) {
    if (connected) this.seen = now;
    const way = (now - this.last) / DROWSE;
    this.last = now;
    this.awake = unit(this.awake + (now - this.seen < SLEEP_AFTER ? way : -way));
    const set = (name, value) => index.has(name) && (weights[index.get(name)] = value);
    const shut = Math.max(this.blink(now), 1 - smooth(this.awake));
    for (const side of ["Left", "Right"]) set(`eyeBlink${side}`, shut);
    if (this.awake < 0.05) return;
    const [x, y] = this.glance(now).map((v) => v * this.awake);
    set(x > 0 ? "eyeLookOutLeft" : "eyeLookInLeft", Math.abs(x));
    set(x > 0 ? "eyeLookInRight" : "eyeLookOutRight", Math.abs(x));
    for (const side of ["Left", "Right"]) set(`eyeLook${y > 0 ? "Up" : "Down"}${side}`, Math.abs(y));
  }

  blink(now) {
    const t = (now - this.blinkAt) / BLINK;
    if (t > 1) {
      const twice = noise(++this.blinks) > 0.85;
      this.blinkAt = now + (twice ? 120 : 2400 + 3200 * noise(this.blinks + 0.5));
    }
    // a lid falls faster than it rises
    return t < 0 || t > 1 ? 0 : t < 0.4 ? smooth(t / 0.4) : smooth((1 - t) / 0.6);
  }

  glance(now) {
    if (now > this.glanceUntil) {
      const n = ++this.glances;
      this.from = this.to;
      this.to = n % 2 ? [GLANCE * (2 * noise(n) - 1), 0.6 * GLANCE * (2 * noise(n + 0.3) - 1)] : [0, 0];
      this.moved = now;
      this.glanceUntil = now + 1200 + 2600 * noise(n + 0.7);
    }
    const t = smooth(unit((now - this.moved) / 90));
    return this.from.map((a, i) => a + t * (this.to[i] - a));
  }
}
