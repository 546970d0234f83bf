/**
 * The members of a topic.
 */

/** Who is present on a topic, as the daemon says. */
export class Presence {
  /**
   * The members by the id of their connection.
   *
   * @type {Map<string, any>}
   */
  members = new Map();
  // The set whose pages are coming; `members` keeps the set before until the new one is complete.
  #coming = null;

  /** Take a presence event; return whether `members` has changed. */
  received({ event, data }) {
    if (event === "presence:sync" && data.page === undefined) {
      // An older daemon sends the whole set in one event.
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

  /** The daemon is going to send the set. */
  begin() {
    this.#coming = new Map();
  }

  /** The daemon has sent the whole set; return whether there is, or was, a member. */
  synced() {
    const coming = this.#coming;
    this.#coming = null;
    if (coming === null || coming.size + this.members.size === 0) return false;
    return this.#replace(coming);
  }

  /** The connection is closed: the rest of the set does not come. */
  closed() {
    this.#coming = null;
  }

  /** Forget all members; return whether there were any. */
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
