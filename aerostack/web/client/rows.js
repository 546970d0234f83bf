/**
 * A table's rows.
 */

import { RealtimeError } from "./errors.js";

/** The function that gives the key of a row: by a column, by several, or the application's own. */
function makeKeyOf(key) {
  if (typeof key === "function") return key;
  if (!Array.isArray(key)) return (row) => row[key];
  return (row) => JSON.stringify(key.map((column) => row[column]));
}

/** A table's rows, from a snapshot and the changes after it. */
export class Rows {
  #key;
  #keyOf;
  #report;
  #rows = new Map();
  // The rows of the snapshot whose pages are coming.
  #coming = null;
  #list = null;

  /**
   * @param {string | string[] | ((row: any) => unknown)} key  What tells rows apart.
   * @param {import("./interfaces.js").Report} report
   */
  constructor(key, report) {
    this.#key = key;
    this.#keyOf = makeKeyOf(key);
    this.#report = report;
  }

  /** The rows, as an array that stays the same object until a row changes. */
  get list() {
    return (this.#list ??= [...this.#rows.values()]);
  }

  /** A snapshot is coming: the rows stay until the new snapshot is complete. */
  begin() {
    this.#coming = this.#rows.size ? new Map() : this.#rows;
  }

  /** The table is gone. */
  clear() {
    this.#rows = new Map();
    this.#coming = this.#list = null;
  }

  /** A page of a snapshot came. */
  page({ rows, more }) {
    if (this.#coming === null) this.begin();
    for (const row of rows) this.#put(this.#coming, row);
    if (!more) {
      this.#rows = this.#coming;
      this.#coming = null;
    }
    this.#list = null;
  }

  /** A change of a row came. */
  change({ operation, data, old }) {
    if (operation === "DELETE") {
      this.#rows.delete(this.#find(data));
    } else {
      if (old && this.#find(old) !== this.#find(data)) this.#rows.delete(this.#find(old));
      this.#put(this.#rows, data);
    }
    this.#list = null;
  }

  #put(rows, row) {
    const key = this.#find(row);
    if (key !== undefined) rows.set(key, row);
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
          `rows cannot be kept: one has no key by ${this.#key}; say by the option \`key\` what` +
            " tells them apart.",
          { cause },
        ),
      );
      this.#report = null;
    }
    return key;
  }
}
