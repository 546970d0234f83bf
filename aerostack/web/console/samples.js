/**
 * The samples of the last minutes, one for each second.
 */

// Between two samples that are further apart, samples are missing; in milliseconds.
const GAP = 2500;

/** A value by its path, such as `publish.p99`; `undefined` if there is none. */
function read(sample, path) {
  let value = sample;
  for (const name of path.split(".")) value = value?.[name];
  return value ?? undefined;
}

/** The samples that the charts show. */
export class Samples {
  #kept = [];
  #span;

  /** @param {number} span  How many milliseconds of samples to keep. */
  constructor(span = 300_000) {
    this.#span = span;
  }

  get size() {
    return this.#kept.length;
  }

  get span() {
    return this.#span;
  }

  /** The time of the newest sample. */
  get newest() {
    return this.#kept.at(-1)?.at;
  }

  /** The newest sample. */
  get last() {
    return this.#kept.at(-1) ?? null;
  }

  /** Add the samples that are newer than the ones here; `now` is the daemon's clock. */
  add(samples, now) {
    // After the daemon's clock was set back, all new samples would seem old.
    if (this.newest > now + GAP) this.#kept = [];
    const newest = this.newest ?? -Infinity;
    this.#kept.push(...samples.filter(({ at }) => at > newest));
    const oldest = (this.newest ?? 0) - this.#span;
    const first = this.#kept.findIndex(({ at }) => at >= oldest);
    if (first > 0) this.#kept.splice(0, first);
  }

  /**
   * The times in seconds, and beside them the values of each path. Where samples are missing there
   * is a `null`, so that a chart draws no line across. A sample without the value, such as the latency
   * of a second in which nothing was sent, has `undefined`: a chart draws its line across.
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

/** The newest value, the mean and the highest value of a column; `null` if there is none. */
export function summary(column) {
  let sum = 0;
  let number = 0;
  let peak = null;
  for (const value of column) {
    if (value === null || value === undefined) continue;
    sum += value;
    number += 1;
    if (peak === null || value > peak) peak = value;
  }
  return { now: column.at(-1) ?? null, mean: number ? sum / number : null, peak };
}

/** How fast counters grow between two calls. */
export class Rates {
  #before = new Map();

  /**
   * Take the counters of one moment, by name; give the rates per second, by name. The rate is `null`
   * for a counter that is new, or that began again.
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
