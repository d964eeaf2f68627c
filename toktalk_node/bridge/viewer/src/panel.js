// The panel: live weights as bars, latency, underruns and the stream's name.

const INTERVAL = 66; // ms between refreshes

export class Panel {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.bars = element.querySelector("#bars");
    this.figures = element.querySelector("#figures");
    /** @type {string[]} */
    this.names = [];
    this.rows = [];
    this.cells = new Map();
    this.last = 0;
  }

  setNames(names) {
    this.names = names;
    this.rows = names.map((name) => {
      const row = document.createElement("div");
      row.className = "bar";
      const [label, bar, value] = ["span", "i", "output"].map((tag) => row.appendChild(document.createElement(tag)));
      label.textContent = label.title = name;
      return { row, bar, value };
    });
    this.bars.replaceChildren(...this.rows.map(({ row }) => row));
  }

  setMissing(missing) {
    this.names.forEach((name, i) => this.rows[i].row.classList.toggle("missing", missing.includes(name)));
  }

  /** @param {() => Record<string, string>} figures label -> text, asked for when it is time to show them */
  update(now, weights, figures) {
    if (this.element.hidden || now - this.last < INTERVAL) return;
    this.last = now;
    this.rows.forEach(({ bar, value }, i) => {
      bar.style.setProperty("--value", weights[i].toFixed(3));
      value.textContent = weights[i].toFixed(2);
    });
    for (const [label, text] of Object.entries(figures())) {
      let cell = this.cells.get(label);
      if (!cell) {
        const term = document.createElement("dt");
        term.textContent = label;
        cell = document.createElement("dd");
        this.figures.append(term, cell);
        this.cells.set(label, cell);
      }
      cell.textContent = text;
    }
  }
}
