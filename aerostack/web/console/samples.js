/**
 * The last minutes, a second each.
 */

// Further apart than this something is missing between two samples, in milliseconds.
const GAP = 2500;

/** A value by its path, such as `publish.p99`; null where there is none. */
function read(sample, path) {
  let value = sample;
  for (const name of path.split(".")) value = value?.[name];
  return value ?? null;
}

/** The samples that the charts show. */
export class Samples {
  #kept = [];
  #span;

  /** Of how many milliseconds samples are kept. */
  constructor(span = 300_000) {
    this.#span = span;
  }

  get size() {
    return this.#kept.length;
  }

  get span() {
    return this.#span;
  }

  /** When the newest was taken. */
  get newest() {
    return this.#kept.at(-1)?.at;
  }

  /** The newest itself. */
  get last() {
    return this.#kept.at(-1) ?? null;
  }

  /** Add those that are newer than what is there; `now` is the daemon's clock. */
  add(samples, now) {
    // A clock that was set back would hide everything new.
    if (this.newest > now + GAP) this.#kept = [];
    const newest = this.newest ?? -Infinity;
    this.#kept.push(...samples.filter(({ at }) => at > newest));
    const oldest = (this.newest ?? 0) - this.#span;
    const first = this.#kept.findIndex(({ at }) => at >= oldest);
    if (first > 0) this.#kept.splice(0, first);
  }

  /**
   * The times in seconds, and the values of each path beside them.  Where samples are
   * missing a null stands, so that no line is drawn across.
   */
  columns(paths) {
    const times = [];
    const values = paths.map(() => []);
    let previous = null;
    for (const sample of this.#kept) {
      if (previous !== null && sample.at - previous > GAP) {
        times.push((previous + 1000) / 1000);
        for (const column of values) column.push(null);
      }
      times.push(sample.at / 1000);
      paths.forEach((path, index) => values[index].push(read(sample, path)));
      previous = sample.at;
    }
    return [times, ...values];
  }
}

/** The newest, the mean and the highest of a column; null where there is nothing. */
export function summary(column) {
  let sum = 0;
  let number = 0;
  let peak = null;
  for (const value of column) {
    if (value === null) continue;
    sum += value;
    number += 1;
    if (peak === null || value > peak) peak = value;
  }
  return { now: column.at(-1) ?? null, mean: number ? sum / number : null, peak };
}

/** How fast counters grow, each from what it was when it was last told. */
export class Rates {
  #before = new Map();

  /**
   * Tell the counters of one moment, by name, and get the rates a second by name; null for
   * those that were not there before, or began anew.
   */
  of(counters, now) {
    const rates = new Map();
    const after = new Map();
    for (const [name, value] of counters) {
      const before = this.#before.get(name);
      const known = before && value !== null && value >= before.value && now > before.now;
      rates.set(name, known ? ((value - before.value) * 1000) / (now - before.now) : null);
      if (value !== null) after.set(name, { value, now });
    }
    this.#before = after;
    return rates;
  }
}
