/**
 * What was published, until the daemon has acknowledged it.
 */

import { RealtimeError, countBytes, defer, encode } from "./common.js";

// How many publications may be unacknowledged at once, so that a long queue is no flood.
const WINDOW = 32;

/** Publications that are not acknowledged yet: they are sent again until they are. */
export class Outbox {
  #host;
  #limit;
  #waiting = [];
  #sent = new Map();
  #timer;
  #count = 0;
  #full = false;
  // Publications up to this number go out one at a time: the daemon cannot read one of them, and
  // did not say which one.
  #suspects = 0;
  #isSorting = false;

  constructor(host, limit) {
    this.#host = host;
    this.#limit = limit;
  }

  /** Take a frame, which has an `id` of its own. */
  add(frame) {
    const entry = { id: frame.id, topic: frame.topic, number: ++this.#count, ...defer() };
    try {
      // Now, because the application may go on to change what it gave.
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
      // Said once until there is room again.
      const report = !this.#full;
      this.#full = true;
      return this.#reject(entry, error, report);
    }
    this.#waiting.push(entry);
    this.#host.hasToSay(this);
    return entry.promise;
  }

  /** Reject a publication that was not taken. */
  refuse(error) {
    return this.#reject(defer(), error);
  }

  /** Reject one, and tell, because few look at what `publish` returns. */
  #reject(entry, error, report = true) {
    entry.reject(error);
    if (report) this.#host.report(error);
    return entry.promise;
  }

  // To the daemon

  /** The next publication that may go out, as JSON; `null` if there is none. */
  next() {
    const [entry] = this.#waiting;
    if (entry === undefined || this.#timer !== undefined || this.#isSorting) return null;
    const [oldest = entry] = this.#sent.values();
    const isSuspect = Math.min(oldest.number, entry.number) <= this.#suspects;
    if (this.#sent.size >= (isSuspect ? 1 : WINDOW)) return null;
    this.#waiting.shift();
    this.#sent.set(entry.id, entry);
    return entry.text;
  }

  /** What was to go out now is larger than the daemon takes. */
  refused(error) {
    const entry = [...this.#sent.values()].at(-1);
    this.#sent.delete(entry.id);
    this.#reject(entry, error);
    this.#full = false;
  }

  // From the daemon

  /** Note what the daemon says of one; return whether it was one of these. */
  settle(id, error) {
    const entry = this.#sent.get(id);
    if (entry === undefined) return false;
    this.#sent.delete(id);
    if (error?.retryAfter !== undefined) {
      this.#putBack([entry]);
      // Where it came too fast, everything waits.
      if (error.code !== "rate_limited") this.#goOnAfter(error.retryAfter);
      return true;
    }
    if (error) this.#reject(entry, error);
    else entry.resolve();
    this.#full = false;
    this.#host.hasToSay(this);
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
    // What is refused meanwhile is one of these as well.
    if (this.#isSorting) return true;
    if (size === 1) {
      const [id] = this.#sent.keys();
      return this.settle(id, error);
    }
    this.#suspects = Math.max(...[...this.#sent.values()].map(({ number }) => number));
    this.#isSorting = true;
    this.#host.whenDealtWith(() => {
      this.#isSorting = false;
      this.#takeBack();
      this.#host.hasToSay(this);
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

  /** The connection is gone: whatever has no answer is to be sent again, in order. */
  closed() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isSorting = false;
    this.#takeBack();
  }

  rejectAll(error) {
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

  #goOnAfter(delay) {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#host.hasToSay(this);
    }, delay);
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
