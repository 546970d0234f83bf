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
  /** Whether the frames that come are for the present channels. */
  isHeard = false;
  // The topic, and the view if there is one, as fields of a frame.
  #about;
  // Three subscriptions: the one that the application wants, the one that the client asked for and
  // the daemon has not answered, and the one that the daemon has confirmed on this connection.
  #wanted = null;
  #asked = null;
  #held = null;
  #isLeaving = false;
  // The position to go on from, if there is one.
  #pos;
  // Whether the pages of a snapshot are coming. Until the last page there is no position.
  #isFilling = false;
  // Whether the daemon has confirmed the subscription before.
  #isConfirmed = false;
  // Whether the application has seen something that a gap would make wrong.
  #isShown = false;

  /**
   * @param {string} topic  The whole name of the topic.
   * @param {string} view  The name of the view; empty if it has none.
   */
  constructor(topic, view = "") {
    const named = view && `,"view":${JSON.stringify(view)}`;
    this.#about = `"topic":${JSON.stringify(topic)}${named}`;
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
    this.#pos = undefined;
    this.isRefused = this.isHeard = this.#isConfirmed = this.#isShown = false;
  }

  /** The application wants none any more. */
  leave() {
    this.#wanted = null;
    this.isHeard = false;
  }

  /**
   * Subscribe anew, without a position.
   *
   * @param {string} text  The options, if they change.
   */
  beginAgain(text = this.#wanted.text) {
    this.#wanted = { text, since: false };
  }

  /** Take the next frame, as JSON; `null` when no frame waits. */
  next() {
    if (this.request || this.#held === this.#wanted) return null;
    const about = this.#about;
    if (this.#wanted === null || this.isRefused) {
      if (this.#held === null) return null;
      this.#isLeaving = true;
      return `{"type":"unsubscribe",${about}}`;
    }
    this.#asked = this.#wanted;
    const { text, since } = this.#asked;
    const more = text && `,${text}`;
    const goesOn = since && this.#pos !== undefined;
    const from = goesOn ? `,"since":${JSON.stringify(this.#pos)}` : "";
    return `{"type":"subscribe",${about},"sync":true${more}${from}}`;
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

  /** The daemon has refused it for good, as far as the client knows. */
  giveUp() {
    this.isRefused = true;
    this.isHeard = false;
  }

  /**
   * The daemon has confirmed a subscription, perhaps without being asked.
   *
   * @param {string | undefined} pos
   * @param {boolean} isFilling  Whether the pages of a snapshot come now.
   * @returns {{ isFirst: boolean, isWhole: boolean } | null} If it is the one that the application
   *   wants: whether this is its beginning, and whether nothing is missing even if the daemon sends
   *   nothing of before.
   */
  confirmed(pos, isFilling) {
    const isAsked = this.#asked !== null;
    const held = this.#asked ?? this.#wanted;
    this.#asked = null;
    this.#held = held;
    if (held === null || held !== this.#wanted) return null;
    const isFirst = !this.#isConfirmed;
    // On the same connection nothing is missed between two subscriptions. A first snapshot that was
    // cut off has shown nothing yet that a gap would make wrong. A daemon that has lost what comes
    // next answers again, without being asked.
    const isWhole = isFirst || (isAsked && (this.isHeard || !this.#isShown));
    this.isRefused = false;
    this.#isConfirmed = this.isHeard = held.since = true;
    this.#isFilling = isFilling;
    this.#pos = isFilling ? undefined : pos;
    this.#isShown ||= !isFilling;
    return { isFirst, isWhole };
  }

  /** The last page of a snapshot came. */
  filled() {
    this.#isFilling = false;
    this.#isShown = true;
  }

  /** A frame with this position came. */
  advance(pos) {
    if (this.isHeard && pos !== undefined && !this.#isFilling) this.#pos = pos;
  }

  /**
   * The daemon has ended a subscription.
   *
   * @returns {boolean} Whether the application still wants it, and no frame for it is on its way.
   */
  ended() {
    const wasAsked = this.#isLeaving;
    const wasHeld = this.#held !== null && this.#held === this.#wanted;
    this.#isLeaving = false;
    this.#held = null;
    if (!wasAsked) this.isHeard = false;
    return !wasAsked && wasHeld && this.#asked === null;
  }

  /** The connection is closed. */
  closed() {
    this.#asked = this.#held = null;
    this.#isLeaving = this.isRefused = this.isHeard = false;
  }
}
