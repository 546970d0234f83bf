/**
 * What is said to the daemon, in turns, and as fast as it listens.
 */

import { RealtimeError, countBytes } from "./common.js";

// How many frames go out before the daemon is asked whether it has dealt with them.  It bears the
// first number of refusals at once, also with the smallest limits.
const AT_FIRST = 10;
const AT_MOST = 100;
// How many bytes go out at a time at the most, where they are in more frames than the first number.
const BYTES_AT_MOST = 131_072;
// How long to wait where the daemon does not say, in milliseconds.
const USUAL_WAIT = 1000;

/**
 * Sends the frames of its speakers, in turns.  A speaker has `next`, which gives a frame as JSON or
 * `null`, and `refused`, which is called with a frame that is larger than the daemon takes.
 *
 * After some frames it sends a ping.  The pong shows that the daemon has dealt with all of them; then
 * more frames go out at a time.  When the daemon refuses a frame as too fast, nothing is sent for as
 * long as the daemon says.  Then the refused frame goes first, and one frame at a time.
 */
export class Talk {
  #link;
  #speakers = new Set();
  #size = AT_FIRST;
  #growth = 2;
  #left = AT_FIRST;
  // What went out since the daemon was asked last.
  #frames = 0;
  #bytes = 0;
  #isAsking = false;
  #isSpeaking = false;
  #pause;
  // How large a frame may be, once the daemon has said so; and the largest that it was sent.
  #limit = Infinity;
  #largest = 0;

  constructor(link) {
    this.#link = link;
  }

  /** Let a speaker have its turn. */
  add(speaker) {
    this.#speakers.add(speaker);
    this.flush();
  }

  /** Let a speaker have the next turn. */
  addFirst(speaker) {
    this.#speakers = new Set([speaker, ...this.#speakers]);
    this.flush();
  }

  /** There is a connection, and these may have something to say. */
  opened(speakers) {
    for (const speaker of speakers) this.#speakers.add(speaker);
    this.flush();
  }

  closed() {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#speakers.clear();
    this.#isAsking = false;
    this.#largest = 0;
    this.#size = Math.max(this.#size, 1);
    this.#begin();
  }

  /** The daemon has not acted on a frame, because it came too fast. */
  tooFast(speaker, wait = USUAL_WAIT) {
    // The daemon has to take more frames from here to the next refusal than it refuses then.
    this.#growth = 0.25;
    this.#size = 1 - this.#growth;
    this.#left = 0;
    // The latest refusal counts.
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.flush();
    }, wait);
    if (speaker) this.addFirst(speaker);
  }

  /** The daemon has closed, because a frame was too large; return whether it was one of these. */
  tooLarge(limit) {
    if (limit !== undefined) this.#limit = limit;
    return this.#largest > this.#limit;
  }

  flush() {
    // A frame can give other speakers something to say. Their frames go out after it.
    if (!this.#link.isOpen || this.#pause !== undefined || this.#isSpeaking) return;
    this.#isSpeaking = true;
    try {
      while (this.#left > 0 && this.#speakers.size) this.#giveTurn();
    } finally {
      this.#isSpeaking = false;
    }
    if (this.#left === 0 && !this.#isAsking) this.#ask();
  }

  #giveTurn() {
    const [speaker] = this.#speakers;
    this.#speakers.delete(speaker);
    const text = speaker.next();
    if (text === null) return;
    // The speaker may have more to say, after the others.
    this.#speakers.add(speaker);
    this.#say(text, speaker);
  }

  #say(text, speaker) {
    const bytes = countBytes(text);
    if (bytes > this.#limit) {
      speaker.refused(this.#refusal(bytes), /^\{"type":"(\w+)"/.exec(text)[1]);
      return;
    }
    this.#largest = Math.max(this.#largest, bytes);
    this.#left -= 1;
    this.#frames += 1;
    this.#bytes += bytes;
    if (this.#frames >= AT_FIRST && this.#bytes >= BYTES_AT_MOST) this.#left = 0;
    this.#link.send(text);
  }

  #ask() {
    this.#isAsking = true;
    this.#link.ping((isAnswered) => {
      this.#isAsking = false;
      if (isAnswered) this.#refill();
      this.flush();
    });
  }

  #refill() {
    this.#size = Math.min(this.#size + this.#growth, AT_MOST);
    this.#begin();
  }

  #begin() {
    this.#left = Math.floor(this.#size);
    this.#frames = this.#bytes = 0;
  }

  #refusal(bytes) {
    return new RealtimeError(
      "too_large",
      `The daemon takes at most ${this.#limit} bytes in a frame; this one has ${bytes}. Send less.`,
    );
  }
}
