// The server's clock, from four-stamp exchanges (RFC 5905, sections 8 and 10), as toktalk_node/bridge/clock.py does.

const KEPT = 16; // exchanges that compete
const DRIFT = 20_000; // two clocks drift apart by at most 1 in this many: 50 ppm

export class ClockFilter {
  constructor() {
    /** Server clock minus this page's, and the round trip of the exchange that gave it, ms. */
    this.offset = performance.timeOrigin;
    this.delay = NaN;
    /** @type {{ at: number, delay: number, offset: number }[]} */
    this.kept = [];
  }

  /** Take one exchange in: sent, received there, answered there, arrived, all in ms. */
  add(t1, t2, t3, t4) {
    const delay = t4 - t1 - (t3 - t2);
    if (delay < 0 || t4 < t1) return; // a clock was set meanwhile
    const offset = (t2 - t1 + (t3 - t4)) / 2;
    if (this.kept.length) {
      const best = this.best(t4);
      const unsure = (delay + best.delay) / 2 + Math.abs(t4 - best.at) / DRIFT;
      if (Math.abs(offset - best.offset) > unsure) this.kept = []; // they contradict each other: a clock was set
    }
    this.kept.push({ at: t4, delay, offset });
    if (this.kept.length > KEPT) this.kept.shift();
    ({ offset: this.offset, delay: this.delay } = this.best(t4));
  }

  /** Forget every exchange: it is another server's clock from now on. */
  clear() {
    this.kept = [];
  }

  /** The surest exchange: half its delay, and what the clocks may have drifted since. */
  best(now) {
    const doubt = (e) => e.delay / 2 + Math.abs(now - e.at) / DRIFT;
    return this.kept.reduce((a, b) => (doubt(b) < doubt(a) ? b : a));
  }
}
