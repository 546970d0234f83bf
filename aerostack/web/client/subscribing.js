/**
 * The subscription of a topic: what the application wants, and what the daemon knows of it.
 */

/**
 * Keeps the daemon's idea of a subscription the same as the application's. It has one frame on its
 * way at a time, so that an answer has one meaning.
 */
export class Subscribing {
  /** Whether the daemon has refused it, and the client does not ask again by itself. */
  isRefused = false;
  #topic;
  // Three subscriptions: the one that the application wants, the one that the client asked for and
  // the daemon has not answered, and the one that the daemon has confirmed on this connection.
  #wanted = null;
  #asked = null;
  #held = null;
  #isLeaving = false;

  /** @param {string} topic  The whole name of the topic. */
  constructor(topic) {
    this.#topic = topic;
  }

  get isWanted() {
    return this.#wanted !== null;
  }

  /** Whether the daemon knows of none, and none is on its way. */
  get isIdle() {
    return this.#asked === null && this.#held === null && !this.#isLeaving;
  }

  /** Whether it goes on from a position, once there is one. */
  get goesOn() {
    return this.#wanted?.since === true;
  }

  /** The frame that is on its way: `subscribe`, `unsubscribe`, or an empty text. */
  get request() {
    return this.#asked ? "subscribe" : this.#isLeaving ? "unsubscribe" : "";
  }

  /** The application wants a subscription with these options, as `encodeOptions` gives them. */
  want(text) {
    this.#wanted = { text, since: true };
    this.isRefused = false;
  }

  /** The application wants none any more. */
  leave() {
    this.#wanted = null;
  }

  /** Subscribe anew, without a position. */
  beginAgain() {
    this.#wanted = { text: this.#wanted.text, since: false };
  }

  /**
   * Take the next frame, as JSON; `null` if there is none.
   *
   * @param {string | undefined} pos  The position to go on from, if there is one.
   */
  next(pos) {
    if (this.request || this.#held === this.#wanted) return null;
    const topic = JSON.stringify(this.#topic);
    if (this.#wanted === null || this.isRefused) {
      if (this.#held === null) return null;
      this.#isLeaving = true;
      return `{"type":"unsubscribe","topic":${topic}}`;
    }
    this.#asked = this.#wanted;
    const { text, since } = this.#asked;
    const more = text && `,${text}`;
    const from = since && pos !== undefined ? `,"since":${JSON.stringify(pos)}` : "";
    return `{"type":"subscribe","topic":${topic},"sync":true${more}${from}}`;
  }

  /** The daemon has done nothing of what a frame asked: it can be sent again. */
  undo(request) {
    if (request === "subscribe") this.#asked = null;
    if (request === "unsubscribe") this.#isLeaving = false;
  }

  /** The daemon has refused what was asked; return whether the application still wants that. */
  refused() {
    const isWanted = this.#asked === this.#wanted;
    this.#asked = null;
    return isWanted;
  }

  /**
   * The daemon has confirmed a subscription, perhaps without being asked.
   *
   * @returns {{ since: boolean } | null} The subscription, if it is the one that the application
   *   wants.
   */
  confirmed() {
    const asked = this.#asked ?? this.#wanted;
    this.#asked = null;
    this.#held = asked;
    if (asked === null || asked !== this.#wanted) return null;
    this.isRefused = false;
    return asked;
  }

  /**
   * The daemon has ended a subscription.
   *
   * @returns {{ wasAsked: boolean, isMissing: boolean }} Whether the client asked for that; whether
   *   the application still wants it, and no frame for it is on its way.
   */
  ended() {
    const wasAsked = this.#isLeaving;
    const wasHeld = this.#held !== null && this.#held === this.#wanted;
    this.#isLeaving = false;
    this.#held = null;
    return { wasAsked, isMissing: !wasAsked && wasHeld && this.#asked === null };
  }

  /** The connection is closed. */
  closed() {
    this.#asked = this.#held = null;
    this.#isLeaving = this.isRefused = false;
  }
}
