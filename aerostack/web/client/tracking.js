/**
 * The presence of this client on a topic: what the application wants, and what the daemon was sent.
 */

/** Keeps the daemon's idea of a client's presence on a topic the same as the application's. */
export class Tracking {
  /** Whether this connection was sent a presence frame of this topic. */
  spoke = false;
  #topic;
  // The state of each channel, as JSON. The daemon gets the one that was set last.
  #states = new Map();
  // The state that this connection was sent: `null` for none, `undefined` if that is not known.
  #sent = null;

  /** @param {string} topic  The whole name of the topic. */
  constructor(topic) {
    this.#topic = topic;
  }

  /** Whether a channel is present. */
  get isWanted() {
    return this.#states.size > 0;
  }

  /** Whether no channel is present, and the daemon knows it. */
  get isIdle() {
    return !this.isWanted && this.#sent === null;
  }

  /** The channels that are present. */
  get channels() {
    return this.#states.keys();
  }

  /** A channel is present, with this state as JSON. */
  set(channel, state) {
    this.#states.delete(channel);
    this.#states.set(channel, state);
  }

  /** A channel is present no more; return whether it was. */
  delete(channel) {
    return this.#states.delete(channel);
  }

  /** Take the next frame, as JSON; `null` if the daemon knows the state. */
  next() {
    const state = [...this.#states.values()].at(-1) ?? null;
    if (state === this.#sent) return null;
    const isNew = typeof this.#sent !== "string";
    this.#sent = state;
    this.spoke = true;
    const topic = JSON.stringify(this.#topic);
    if (state === null) return `{"type":"untrack","topic":${topic}}`;
    return `{"type":"track","topic":${topic}${isNew ? ',"sync":true' : ""},"state":${state}}`;
  }

  /** The daemon may not have taken the last frame: send the state again. */
  doubt() {
    this.#sent = undefined;
  }

  /** The client has another token: it may be another user now. */
  tokenChanged() {
    if (this.#sent !== null) this.doubt();
  }

  /** The connection is closed. */
  closed() {
    this.#sent = null;
    this.spoke = false;
  }
}
