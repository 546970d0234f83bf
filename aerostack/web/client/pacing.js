/**
 * How fast the client sends.
 */

import { RealtimeError } from "./errors.js";
import { countBytes } from "./outgoing.js";
import { Pause } from "./pause.js";

/** @typedef {import("./interfaces.js").Sender} Sender */

// How many frames go out before the client asks with a ping whether the daemon has dealt with them:
// at first, and at most. A daemon with the smallest limits still bears START refusals at once.
const START = 10;
const MOST = 100;
// How many bytes go out between two such pings at most, if they are in more than START frames.
const BYTES = 131_072;
// How long to wait if the daemon does not say, in milliseconds.
const USUAL_WAIT = 1000;

/**
 * Sends the frames of its senders, in turns.
 *
 * After some frames it sends a ping.  The pong shows that the daemon has dealt with all of them; then
 * more frames go out at a time.  When the daemon refuses a frame as too fast, nothing is sent for as
 * long as the daemon says.  Then the refused frame goes first, and one frame at a time.
 */
export class Pacer {
  #connection;
  #senders = new Set();
  #size = START;
  #growth = 2;
  #left = START;
  // What went out since the last ping.
  #frames = 0;
  #bytes = 0;
  #isAsking = false;
  #isFlushing = false;
  #pause = new Pause(() => this.flush());
  // How many bytes a frame may have, once the daemon has said so; and the largest that went out.
  #limit = Infinity;
  #largest = 0;

  constructor(connection) {
    this.#connection = connection;
  }

  /**
   * Let a sender have its turn.
   *
   * @param {Sender} sender
   */
  add(sender) {
    this.#senders.add(sender);
    this.flush();
  }

  /**
   * Let a sender have the next turn.
   *
   * @param {Sender} sender
   */
  addFirst(sender) {
    this.#senders = new Set([sender, ...this.#senders]);
    this.flush();
  }

  /**
   * There is a connection, and these senders may have frames to send.
   *
   * @param {Iterable<Sender>} senders
   */
  opened(senders) {
    for (const sender of senders) this.#senders.add(sender);
    this.flush();
  }

  /** The connection is closed. */
  closed() {
    this.#pause.end();
    this.#senders.clear();
    this.#isAsking = false;
    this.#largest = 0;
    this.#size = Math.max(this.#size, 1);
    this.#begin();
  }

  /**
   * The daemon has not acted on a frame, because frames came too fast.
   *
   * @param {Sender | undefined} sender  Who sent the frame, if that is known.
   * @param {number} wait  Milliseconds until the next frame may go out.
   */
  tooFast(sender, wait = USUAL_WAIT) {
    // The daemon has to take more frames from here to the next refusal than it refuses then.
    this.#growth = 0.25;
    this.#size = 1 - this.#growth;
    this.#left = 0;
    // The latest refusal counts.
    this.#pause.begin(wait);
    if (sender) this.addFirst(sender);
  }

  /** The daemon closed the connection, because a frame was too large; return whether one was. */
  tooLarge(limit) {
    if (limit !== undefined) this.#limit = limit;
    return this.#largest > this.#limit;
  }

  /** Send the frames that may go out now. */
  flush() {
    // One frame can give other senders something to send. Their frames go out after it.
    if (!this.#connection.isOpen || this.#pause.isOn || this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      while (this.#left > 0 && this.#senders.size) this.#giveTurn();
    } finally {
      this.#isFlushing = false;
    }
    if (this.#left === 0 && !this.#isAsking) this.#ask();
  }

  #giveTurn() {
    const [sender] = this.#senders;
    this.#senders.delete(sender);
    const text = sender.next();
    if (text === null) return;
    // The sender may have another frame, which goes out after those of the others.
    this.#senders.add(sender);
    this.#send(text, sender);
  }

  #send(text, sender) {
    const bytes = countBytes(text);
    if (bytes > this.#limit) {
      sender.refused(this.#refusal(bytes), /^\{"type":"(\w+)"/.exec(text)[1]);
      return;
    }
    this.#largest = Math.max(this.#largest, bytes);
    this.#left -= 1;
    this.#frames += 1;
    this.#bytes += bytes;
    if (this.#frames >= START && this.#bytes >= BYTES) this.#left = 0;
    this.#connection.send(text);
  }

  #ask() {
    this.#isAsking = true;
    this.#connection.ping((isAnswered) => {
      this.#isAsking = false;
      if (isAnswered) this.#refill();
      this.flush();
    });
  }

  #refill() {
    this.#size = Math.min(this.#size + this.#growth, MOST);
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
