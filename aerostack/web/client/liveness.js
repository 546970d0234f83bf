/**
 * Whether the daemon is still there.
 */

/** Asks the daemon for an answer when it has been silent for long, and whenever one is wanted. */
export class Pulse {
  #send;
  #dead;
  #options;
  #timer;
  #heard = false;
  #isProbing = false;
  // Those who wait for a `pong`, in the order in which the pings were sent.
  #pings = [];

  /** `send` sends a frame, and `dead` is called with the milliseconds in which no answer came. */
  constructor(send, dead, options) {
    this.#send = send;
    this.#dead = dead;
    this.#options = options;
  }

  /** A connection is open. */
  start() {
    this.#heard = false;
    this.#timer = setTimeout(() => {
      if (this.#heard) this.start();
      else this.probe();
    }, this.#options.pingInterval);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#isProbing = false;
    this.#pings = [];
  }

  /** A frame of the daemon's has come. */
  heard() {
    this.#heard = true;
  }

  /** See whether the daemon is there.  A question that is open gives a dead line no more time. */
  probe() {
    if (this.#isProbing) return;
    clearTimeout(this.#timer);
    this.#heard = false;
    this.#isProbing = true;
    this.ping(() => {});
    const { pongTimeout } = this.#options;
    this.#timer = setTimeout(() => {
      this.#isProbing = false;
      if (this.#heard) this.start();
      else this.#dead(pongTimeout);
    }, pongTimeout);
  }

  /**
   * Ask for an answer; `told` is called with whether it came.  What the daemon sent before has come
   * by then.
   */
  ping(told) {
    this.#pings.push(told);
    this.#send('{"type":"ping"}');
  }

  /** The daemon has answered a ping, or refused to: the first that it has not answered yet. */
  answered(isAnswer) {
    this.#pings.shift()?.(isAnswer);
  }
}
