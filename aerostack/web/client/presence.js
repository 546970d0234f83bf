/**
 * The members of a topic.
 */

/** The members of a topic, the same for all of its subscriptions. */
export class Presence {
  /**
   * The members by the id of their connection.
   *
   * @type {Map<string, any>}
   */
  members = new Map();
  // The set whose pages are coming; `members` keeps the set before until the new one is complete.
  #coming = null;
  #host;
  #topic;

  /**
   * @param {import("./interfaces.js").SessionHost} host
   * @param {string} topic  The whole name of the topic.
   */
  constructor(host, topic) {
    this.#host = host;
    this.#topic = topic;
  }

  /** Take a presence event, and tell the channels. */
  received(frame) {
    if (this.#take(frame)) this.#notify();
    if (frame.data.page === undefined) this.#tell(frame);
  }

  /** Take a presence event; return whether `members` has changed. */
  #take({ event, data }) {
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

  /** The daemon has sent the whole set. The channels get it as one event if there is, or was, a member. */
  synced({ topic, timestamp }) {
    const coming = this.#coming;
    this.#coming = null;
    if (coming === null || coming.size + this.members.size === 0) return;
    this.#replace(coming);
    const data = { members: [...this.members.values()] };
    this.#notify();
    this.#tell({ type: "event", topic, event: "presence:sync", data, timestamp });
  }

  /** The connection is closed: the rest of the set does not come. */
  closed() {
    this.#coming = null;
  }

  /** The topic has no members; tell the channels if it had any. */
  over() {
    if (this.clear()) this.#notify();
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

  /** Tell the channels of all subscriptions, and those that are present, of another set. */
  #notify() {
    const all = this.#host.siblings(this.#topic).flatMap(({ channels }) => [...channels]);
    for (const channel of new Set([...all, ...this.#host.present(this.#topic)])) {
      channel._notify("presence", this.members);
    }
  }

  /** Give a frame to the channels of all subscriptions. */
  #tell(frame) {
    for (const { isHeard, channels } of this.#host.siblings(this.#topic)) {
      if (isHeard) for (const channel of [...channels]) channel._notify("frame", frame);
    }
  }
}
