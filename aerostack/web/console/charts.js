/**
 * Charts, each with a table of its numbers. The tables work without the library.
 */

import { make, setText } from "../shared/dom.js";
import { clock, minute } from "./format.js";
import { summary } from "./samples.js";

const HEIGHT = 150;
// Steps between the lines of an axis for whole numbers.
const WHOLE = [1, 2, 5].flatMap((step) => [...Array(12).keys()].map((n) => step * 10 ** n)).sort((a, b) => a - b);
const DASHES = { full: [], dashed: [4, 4] };

/** Load the library; `null` if it is not installed. */
export async function loadLibrary() {
  const at = (name) => new URL(`chart/${name}`, import.meta.url).href;
  let library;
  try {
    library = await import(at("uPlot.esm.js"));
  } catch {
    return null;
  }
  document.head.append(make("link", { rel: "stylesheet", href: at("uPlot.min.css") }));
  return library.default;
}

/** The indices of values without a neighbour: no line leads to them. */
export function alone(column) {
  const indices = [];
  // The lines between gaps: only values of which there are at least two make a line.
  let line = [];
  const end = () => {
    if (line.length === 1) indices.push(line[0]);
    line = [];
  };
  column.forEach((value, index) => {
    if (value === null) end();
    else if (value !== undefined) line.push(index);
  });
  end();
  return indices;
}

/** A colour of the palette, for the present colour scheme. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A figure of several lines over the last minutes. */
export class Chart {
  element;
  #plot = null;
  #place;
  #title;
  #series;
  #format;
  #whole;
  #cells;
  #moment;
  #data = null;
  #span;
  #spoken = "";

  /**
   * @param {object} options
   * @param {string} options.title
   * @param {string} options.unit
   * @param {import("./interfaces.js").Series[]} options.series
   * @param {(value: any) => string} options.format  Writes a value.
   * @param {boolean} [options.whole]  Whether the values are whole numbers.
   * @param {number} options.span  Milliseconds that the figure shows.
   */
  constructor({ title, unit, series, format, whole = false, span }) {
    this.#title = title;
    this.#series = series;
    this.#format = format;
    this.#whole = whole;
    this.#span = span;
    this.#place = make("div", { class: "plot", role: "img", "aria-label": title });
    this.#place.hidden = true;
    this.#moment = make("th", { scope: "col", class: "number" }, "Now");
    const rows = series.map((each) => {
      const chip = make("span", {
        class: "chip",
        "data-colour": each.colour,
        "data-line": each.dashed ? "dashed" : "full",
      });
      const cells = [0, 1, 2].map(() => make("td", { class: "number" }));
      return [make("tr", {}, make("th", { scope: "row" }, chip, each.label), ...cells), cells];
    });
    this.#cells = rows.map(([, cells]) => cells);
    const head = make(
      "tr",
      {},
      make("th", { scope: "col" }, make("span", { class: "unseen" }, "Line")),
      this.#moment,
      ...["Mean", "Peak"].map((name) => make("th", { scope: "col", class: "number" }, name)),
    );
    this.element = make(
      "figure",
      { class: "panel chart" },
      make("figcaption", {}, make("h3", {}, title), make("span", { class: "unit" }, unit)),
      this.#place,
      make(
        "table",
        { class: "key" },
        make("caption", { class: "unseen" }, `${title}, last five minutes`),
        make("thead", {}, head),
        make("tbody", {}, ...rows.map(([row]) => row)),
      ),
    );
  }

  /** Show samples. */
  draw(samples) {
    this.#data = samples.columns(this.#series.map(({ path }) => path));
    this.#write();
    if (!this.#plot) return;
    const newest = (samples.newest ?? Date.now()) / 1000;
    this.#plot.batch(() => {
      this.#plot.setData(this.#data, false);
      this.#plot.setScale("x", { min: newest - this.#span / 1000, max: newest });
    });
  }

  /** Draw with the library from now on. */
  use(library) {
    this.#place.hidden = false;
    const axis = {
      stroke: () => colour("muted"),
      grid: { stroke: () => colour("grid"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const options = {
      width: this.#place.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 16, 0, 0],
      cursor: {
        y: false,
        drag: { x: false, y: false },
        sync: { key: "console" },
        points: { size: 6 },
      },
      scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.15 : 1] } },
      axes: [
        { ...axis, size: 24, gap: 4, space: 70, values: (_plot, times) => times.map((at) => minute(at * 1000)) },
        {
          ...axis,
          size: 62,
          gap: 6,
          space: 34,
          incrs: this.#whole ? WHOLE : undefined,
          values: (_plot, values) => values.map((value) => this.#format(value)),
        },
      ],
      series: [
        {},
        ...this.#series.map((each) => ({
          stroke: () => colour(`series-${each.colour}`),
          width: 1.75,
          dash: DASHES[each.dashed ? "dashed" : "full"],
          points: { show: true, size: 4, filter: (plot, line) => alone(plot.data[line]) },
        })),
      ],
      hooks: { setCursor: [() => this.#write()] },
    };
    const nothing = [[], ...this.#series.map(() => [])];
    this.#plot = new library(options, this.#data ?? nothing, this.#place);
    new ResizeObserver(() => {
      const width = this.#place.clientWidth;
      if (width && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
    }).observe(this.#place);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", () => this.#plot.redraw(false, true));
  }

  /** Write the numbers: the newest, or those of the moment under the pointer. */
  #write() {
    if (!this.#data) return;
    const [times, ...columns] = this.#data;
    const index = this.#plot?.cursor.idx;
    const pointed = typeof index === "number" && index < times.length;
    setText(this.#moment, pointed ? clock(times[index] * 1000) : "Now");
    const spoken = columns.map((column, line) => {
      const { now, mean, peak } = summary(column);
      const values = [pointed ? column[index] : now, mean, peak].map(this.#format);
      values.forEach((value, cell) => setText(this.#cells[line][cell], value));
      return `${this.#series[line].label} ${this.#format(now)}, at most ${values[2]}`;
    });
    this.#speak(`${this.#title}, the last five minutes. ${spoken.join("; ")}.`);
  }

  #speak(text) {
    if (text === this.#spoken) return;
    this.#spoken = text;
    this.#place.setAttribute("aria-label", text);
  }
}
