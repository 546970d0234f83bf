/**
 * A table's rows.
 */

import { RealtimeError } from "./errors.js";
import { Ordering } from "./ordering.js";

// How many rows beyond the limit are held, so that the daemon need not be asked for every row that
// goes.
const SPARE = 100;

/** The function that gives the key of a row: by a column, by several, or the application's own. */
function makeKeyOf(key) {
  if (typeof key === "function") return key;
  if (!Array.isArray(key)) return (row) => row[key];
  return (row) => JSON.stringify(key.map((column) => row[column]));
}

/**
 * Rows by their keys, in an order. Without an order they stay as they came, and new ones are last.
 */
class Table {
  #ordering;
  // By key, the rows; a row that is not sorted in stands last.
  #rows = new Map();
  #sorted = null;

  constructor(order) {
    this.#ordering = order?.length ? new Ordering(order) : null;
  }

  get size() {
    return this.#rows.size;
  }

  /** All rows, in their order. */
  get sorted() {
    if (this.#sorted === null) {
      const { compare } = this;
      this.#sorted = [...this.#rows];
      if (this.#ordering) this.#sorted.sort(([, x], [, y]) => compare(x, y));
    }
    return this.#sorted;
  }

  compare = (x, y) => this.#ordering?.compare(x, y) ?? 0;

  put(key, row) {
    if (this.#ordering === null) {
      this.#rows.set(key, row);
      this.#sorted = null;
      return;
    }
    if (this.#ordering.see(row)) this.#sorted = null;
    const before = this.#rows.get(key);
    const stays = before !== undefined && this.compare(before, row) === 0;
    if (!stays) this.delete(key);
    this.#rows.set(key, row);
    if (this.#sorted === null) return;
    if (stays) this.#sorted[this.#place(key, before)] = [key, row];
    else this.#sorted.splice(this.#behind(row), 0, [key, row]);
  }

  delete(key) {
    const before = this.#rows.get(key);
    if (before === undefined) return;
    if (this.#ordering === null) this.#sorted = null;
    else if (this.#sorted !== null) this.#sorted.splice(this.#place(key, before), 1);
    this.#rows.delete(key);
  }

  /** The place behind all rows that do not come after a row. */
  #behind(row) {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.compare(this.#sorted[middle][1], row) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The place of a row that is there. */
  #place(key, row) {
    let at = this.#behind(row) - 1;
    while (this.#sorted[at][0] !== key) at -= 1;
    return at;
  }
}

/**
 * A table's rows, from a snapshot and the changes after it.
 *
 * With a limit, the rows beyond it are not known: the daemon has sent the first ones only. So a row
 * that comes behind all of these is not taken, and when too few are left, the rows are asked for
 * again.
 */
export class Rows {
  #key;
  #keyOf;
  #order;
  #limit;
  #report;
  #rows;
  // The rows of the snapshot whose pages are coming.
  #coming = null;
  // The last row up to which all rows of the table are known; `null` if all are.
  #bound = null;
  #list = null;

  /**
   * @param {Record<string, any>} options  `key` says what identifies a row.
   * @param {import("./interfaces.js").Report} report
   */
  constructor({ key = "id", order, limit }, report) {
    this.#key = key;
    this.#keyOf = makeKeyOf(key);
    this.#order = order;
    this.#limit = limit ?? Infinity;
    this.#report = report;
    this.#rows = new Table(order);
  }

  /** The rows, as an array that stays the same object until a row changes. */
  get list() {
    return (this.#list ??= this.#rows.sorted.slice(0, this.#limit).map(([, row]) => row));
  }

  /** Whether rows are missing that the daemon has. */
  get isShort() {
    return this.#bound !== null && this.#rows.size < this.#limit;
  }

  /** A snapshot is coming: the rows stay until the new snapshot is complete. */
  begin() {
    this.#coming = this.#rows.size ? new Table(this.#order) : this.#rows;
  }

  /** The table is gone. */
  clear() {
    this.#rows = new Table(this.#order);
    this.#coming = this.#list = this.#bound = null;
  }

  /** A page of a snapshot came. */
  page({ rows, more }) {
    if (this.#coming === null) this.begin();
    for (const row of rows) this.#put(this.#coming, row);
    if (!more) {
      this.#rows = this.#coming;
      this.#coming = null;
      const isWhole = this.#rows.size < this.#limit;
      this.#bound = isWhole ? null : this.#rows.sorted.at(-1)[1];
    }
    this.#list = null;
  }

  /** A change of a row came. */
  change({ operation, data, old }) {
    this.#list = null;
    if (operation === "DELETE") {
      this.#rows.delete(this.#find(data));
      return;
    }
    if (old && this.#find(old) !== this.#find(data)) this.#rows.delete(this.#find(old));
    if (this.#bound !== null && this.#rows.compare(data, this.#bound) > 0) {
      // It stands behind rows that are not known.
      this.#rows.delete(this.#find(data));
      return;
    }
    this.#put(this.#rows, data);
    if (this.#rows.size > 2 * this.#limit + SPARE) {
      const { sorted } = this.#rows;
      for (const [key] of sorted.slice(this.#limit + SPARE)) this.#rows.delete(key);
      this.#bound = this.#rows.sorted.at(-1)[1];
    }
  }

  #put(rows, row) {
    const key = this.#find(row);
    if (key !== undefined) rows.put(key, row);
  }

  #find(row) {
    let key;
    let cause;
    try {
      key = this.#keyOf(row);
    } catch (error) {
      cause = error;
    }
    if (key === undefined) {
      // Reported once: every row without a key is left out.
      this.#report?.(
        new RealtimeError(
          "no_key",
          `rows cannot be kept: one has no key by ${this.#key}; name by the option \`key\` what` +
            " identifies a row.",
          { cause },
        ),
      );
      this.#report = null;
    }
    return key;
  }
}
