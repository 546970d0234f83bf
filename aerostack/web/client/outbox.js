/**
 * What was published, until the daemon has acknowledged it.
 */

import { RealtimeError, defer } from "./common.js";

// How many publications may be unacknowledged at once, so that a long queue is no flood.
const WINDOW = 32;

/** Publications that are not acknowledged yet: they are sent again until they are. */
export class Outbox {
  #send;
  #report;
  #limit;
  #waiting = [];
  #sent = new Map();
  #timer;
  #count = 0;
  #full = false;

  constructor(send, report, limit) {
    this.#send = send;
    this.#report = report;
    this.#limit = limit;
  }

  /** Take a frame, which has an `id` of its own. */
  add(frame) {
    const entry = { id: frame.id, number: ++this.#count, ...defer() };
    try {
      // Now, because the application may go on to change what it gave.
      entry.text = JSON.stringify(frame);
    } catch (cause) {
      return this.refuse(
        new RealtimeError("invalid_data", `The data cannot be JSON: ${cause.message}`, { cause }),
        entry,
      );
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
      return this.refuse(error, entry, report);
    }
    this.#waiting.push(entry);
    this.pump();
    return entry.promise;
  }

  /** Reject one, and tell, because few look at what `publish` returns. */
  refuse(error, entry = defer(), report = true) {
    entry.reject(error);
    if (report) this.#report(error);
    return entry.promise;
  }

  /** Send what may be sent now. */
  pump() {
    while (this.#timer === undefined && this.#waiting.length && this.#sent.size < WINDOW) {
      if (!this.#send(this.#waiting[0].text)) return;
      const entry = this.#waiting.shift();
      this.#sent.set(entry.id, entry);
    }
  }

  /** Note what the daemon says of one; return whether it was one of these. */
  settle(id, error) {
    const entry = this.#sent.get(id);
    if (entry === undefined) return false;
    this.#sent.delete(id);
    if (error?.retryAfter !== undefined) {
      this.#putBack([entry]);
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.pump();
      }, error.retryAfter);
      return true;
    }
    if (error) this.refuse(error, entry);
    else entry.resolve();
    this.#full = false;
    this.pump();
    return true;
  }

  /** The connection is gone: whatever has no answer is to be sent again, in order. */
  rewind() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#putBack(this.#sent.values());
    this.#sent.clear();
  }

  #putBack(entries) {
    this.#waiting.push(...entries);
    this.#waiting.sort((a, b) => a.number - b.number);
  }

  rejectAll(error) {
    this.rewind();
    for (const entry of this.#waiting) entry.reject(error);
    const count = this.#waiting.length;
    this.#waiting = [];
    this.#full = false;
    if (count) {
      const lost = `${error.message} ${count} publications are lost.`;
      this.#report(new RealtimeError(error.code, lost));
    }
  }
}
