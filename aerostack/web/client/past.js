/**
 * The newest frames of a topic, for channels that join a subscription that has them.
 */

/** Holds as many frames as the subscription began with. */
export class Past {
  #count;
  #frames = [];

  /** @param {number} count  How many frames. */
  constructor(count) {
    this.#count = count;
  }

  /** Take a frame that the channels get. */
  add(frame) {
    // A stream counts as one frame, its end, which has the whole text.
    if (frame.stream !== undefined && frame.event !== "ai:done") return;
    this.#frames.push(frame);
    // Half of the array goes at once, so that a frame costs little.
    if (this.#frames.length > 2 * this.#count) this.#frames = this.newest(this.#count);
  }

  /** The newest frames, oldest first. */
  newest(count) {
    return count > 0 ? this.#frames.slice(-count) : [];
  }

  /** The daemon sends the newest frames again. */
  clear() {
    this.#frames = [];
  }
}
