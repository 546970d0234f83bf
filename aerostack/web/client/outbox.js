/**
 * Publications that the daemon has not acknowledged yet.
 */

import { defer } from "./callbacks.js";
import { RealtimeError } from "./errors.js";
import { countBytes, encode } from "./outgoing.js";
import { Pause } from "./pause.js";

// How many publications may be under way at once, so that a long queue does not flood the daemon.
const WINDOW = 32;

/**
 * @typedef {object} Publication
 * @property {string} id
 * @property {string} topic
 * @property {number} number  Its place in the order in which the application published.
 * @property {string} text  The frame, as JSON.
 * @property {Promise<void>} promise
 * @property {(value?: void) => void} resolve
 * @property {(error: Error) => void} reject
 */

/**
 * Sends publications in their order, and sends each of them again on a later connection until the
 * daemon has acknowledged it.
 */
export class Outbox {
  #host;
  #limit;
  /** @type {Publication[]} */
  #waiting = [];
  /** @type {Map<string, Publication>} */
  #sent = new Map();
  #pause = new Pause(() => this.#host.touch(this));
  #count = 0;
  #full = false;
  // Publications up to this number go out one at a time, because the daemon refused one of them and did
  // not say which one.
  #suspects = 0;
  #isSorting = false;

  /**
   * @param {import("./interfaces.js").SessionHost} host
   * @param {number} limit  How many publications may wait.
   */
  constructor(host, limit) {
    this.#host = host;
    this.#limit = limit;
  }

  /**
   * Take a publication.
   *
   * @param {{ id: string, topic?: string, [name: string]: any }} frame
   * @returns {Promise<void>} Resolves when the daemon has acknowledged it.
   */
  add(frame) {
    const { id, topic } = frame;
    /** @type {any} */
    const entry = { id, topic, number: ++this.#count, ...defer() };
    try {
      // Encoded now, because the application may change the object afterwards.
      entry.text = encode(frame);
    } catch (error) {
      return this.#reject(entry, error);
    }
    if (this.#waiting.length + this.#sent.size >= this.#limit) {
      const error = new RealtimeError(
        "queue_full",
        `${this.#limit} publications wait to be acknowledged; this one was not taken.`,
        { topic: frame.topic },
      );
      // Reported once, until publications are taken again.
      const report = !this.#full;
      this.#full = true;
      return this.#reject(entry, error, report);
    }
    this.#waiting.push(entry);
    this.#host.touch(this);
    return entry.promise;
  }

  /** Reject a publication that was not taken. */
  refuse(error) {
    return this.#reject(defer(), error);
  }

  /** Reject a publication, and report that: few applications look at what `publish` returns. */
  #reject(entry, error, report = true) {
    entry.reject(error);
    if (report) this.#host.report(error);
    return entry.promise;
  }

  // To the daemon

  /** Take the next publication that may go out, as JSON; `null` when no publication may. */
  next() {
    const [entry] = this.#waiting;
    if (entry === undefined || this.#pause.isOn || this.#isSorting) return null;
    const [oldest = entry] = this.#sent.values();
    const isSuspect = Math.min(oldest.number, entry.number) <= this.#suspects;
    if (this.#sent.size >= (isSuspect ? 1 : WINDOW)) return null;
    this.#waiting.shift();
    this.#sent.set(entry.id, entry);
    return entry.text;
  }

  /** The publication that `next` gave is larger than the daemon takes. */
  refused(error) {
    const entry = [...this.#sent.values()].at(-1);
    this.#sent.delete(entry.id);
    this.#reject(entry, error);
    this.#full = false;
  }

  // From the daemon

  /** The daemon has acknowledged or refused a publication; return whether it is one of the outbox. */
  settle(id, error) {
    const entry = this.#sent.get(id);
    if (entry === undefined) return false;
    this.#sent.delete(id);
    if (error?.retryAfter !== undefined) {
      this.#putBack([entry]);
      // After a refusal as too fast the pacer makes everything wait.
      if (error.code !== "rate_limited" && !this.#pause.isOn) this.#pause.begin(error.retryAfter);
      return true;
    }
    // An application that publishes with a condition expects `stale`.
    if (error) this.#reject(entry, error, error.code !== "stale");
    else entry.resolve();
    this.#full = false;
    this.#host.touch(this);
    return true;
  }

  /**
   * The daemon has refused a publication for good, and could not say which one.  Return whether it
   * may be one of these.  If only one is under way, it is rejected.  Otherwise all of them are sent
   * again, one at a time, until the refused one is found.
   */
  doubt(error) {
    const { size } = this.#sent;
    if (size === 0) return false;
    // During the search every such error is about one of the suspects.
    if (this.#isSorting) return true;
    if (size === 1) {
      const [id] = this.#sent.keys();
      return this.settle(id, error);
    }
    this.#suspects = Math.max(...[...this.#sent.values()].map(({ number }) => number));
    this.#isSorting = true;
    this.#host.ping(() => {
      this.#isSorting = false;
      this.#takeBack();
      this.#host.touch(this);
    });
    return true;
  }

  /**
   * The daemon closed the connection, because a frame was larger than `limit` bytes.  Reject the
   * publications under way that are larger; where the limit is unknown, the largest.  Return whether
   * there is one.
   */
  tooLarge(limit, why) {
    const sent = [...this.#sent.values()];
    const sizes = new Map(sent.map((entry) => [entry, countBytes(entry.text)]));
    const largest = Math.max(...sizes.values());
    const culprits = sent.filter((entry) => {
      const size = sizes.get(entry);
      return limit === undefined ? size === largest : size > limit;
    });
    for (const entry of culprits) {
      this.#sent.delete(entry.id);
      const message = `A publication of ${sizes.get(entry)} bytes was refused: ${why} Send less.`;
      const { id, topic } = entry;
      this.#reject(entry, new RealtimeError("too_large", message, { id, topic }));
    }
    return culprits.length > 0;
  }

  /** The connection is closed: publications without an answer go out again, in their order. */
  closed() {
    this.#pause.end();
    this.#isSorting = false;
    this.#takeBack();
  }

  /** The client stops: reject all publications. */
  fail(error) {
    this.closed();
    for (const entry of this.#waiting) entry.reject(error);
    const count = this.#waiting.length;
    this.#waiting = [];
    this.#full = false;
    if (count) {
      const lost = `${error.message} ${count} publications are lost.`;
      this.#host.report(new RealtimeError(error.code, lost));
    }
  }

  #takeBack() {
    this.#putBack(this.#sent.values());
    this.#sent.clear();
  }

  #putBack(entries) {
    this.#waiting.push(...entries);
    this.#waiting.sort((a, b) => a.number - b.number);
  }
}
