/**
 * What a topic's frames add up to: who is there, and a table's rows.
 */

import { RealtimeError } from "./common.js";

/** Who is present on a topic. */
export class Presence {
  members = new Map();
  // The set that is on its way; `members` shows the one before until it is complete.
  #coming = null;

  /** Take what an event says; return whether `members` has changed. */
  take({ event, data }) {
    if (event === "presence:sync" && data.page === undefined) {
      // An older daemon tells all of them at once.
      this.#coming = null;
      return this.#replace(data.members.map((member) => [member.connectionId, member]));
    }
    if (event === "presence:sync") {
      if (data.page === 0 || this.#coming === null) this.#coming = new Map();
      for (const member of data.members) this.#coming.set(member.connectionId, member);
      return false;
    }
    const set = this.#coming ?? this.members;
    if (event === "presence:leave") set.delete(data.connectionId);
    else set.set(data.connectionId, data);
    return set === this.members;
  }

  /** A new set begins. */
  begin() {
    this.#coming = new Map();
  }

  /** It is complete; return whether there is anything to tell of it. */
  end() {
    const coming = this.#coming;
    this.#coming = null;
    if (coming === null || coming.size + this.members.size === 0) return false;
    return this.#replace(coming);
  }

  /** What is on its way does not come any more. */
  cutOff() {
    this.#coming = null;
  }

  /** Forget everybody; return whether there was somebody. */
  clear() {
    this.#coming = null;
    return this.members.size > 0 && this.#replace([]);
  }

  #replace(entries) {
    this.members.clear();
    for (const [id, member] of entries) this.members.set(id, member);
    return true;
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

  /** The table is gone. */
  clear() {
    this.#rows = new Map();
    this.#loading = this.#list = null;
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
