/**
 * What a topic's frames add up to: who is there, and a table's rows.
 */

import { Listeners, RealtimeError } from "./common.js";

/** Who is present on a topic. */
export class Presence {
  members = new Map();
  #report;
  #listeners = new Listeners();

  constructor(report) {
    this.#report = report;
  }

  onChange(callback) {
    return this.#listeners.add(callback);
  }

  _take({ event, data }) {
    if (event === "presence:sync") {
      this.members.clear();
      for (const member of data.members) this.members.set(member.connectionId, member);
    } else if (event === "presence:leave") {
      this.members.delete(data.connectionId);
    } else {
      this.members.set(data.connectionId, data);
    }
    this.#listeners.tell(this.#report, this.members);
  }
}

/** How to tell a table's rows apart: by a column, by several, or as the application says. */
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
  #loading = null;
  #list = null;

  constructor(key, report) {
    this.#key = key;
    this.#keyOf = makeKeyOf(key);
    this.#report = report;
  }

  get list() {
    return (this.#list ??= [...this.#rows.values()]);
  }

  /** A snapshot is coming: what is shown stays until the new one is complete. */
  begin() {
    this.#loading = this.#rows.size ? new Map() : this.#rows;
  }

  page({ rows, more }) {
    if (this.#loading === null) this.begin();
    for (const row of rows) this.#put(this.#loading, row);
    if (!more) {
      this.#rows = this.#loading;
      this.#loading = null;
    }
    this.#list = null;
  }

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
      // Said once; what has no key cannot be kept.
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
