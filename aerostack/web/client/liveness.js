/**
 * Whether the daemon still answers.
 */

/** Pings the daemon when it has been silent for long, and whenever the client asks for a ping. */
export class Liveness {
  #send;
  #dead;
  #options;
  #timer;
  #heard = false;
  #isProbing = false;
  // Callbacks that wait for a `pong`, in the order in which the pings went out.
  #pings = [];

  /**
   * @param {(frame: string) => void} send
   * @param {(time: number) => void} dead  Called when no answer came within `time` milliseconds.
   * @param {{ pingInterval: number, pongTimeout: number }} options  In milliseconds.
   */
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

  /** The daemon has sent a frame. */
  heard() {
    this.#heard = true;
  }

  /** Find out whether the daemon is there. A second call does not extend the time of the first. */
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
   * Send a ping.
   *
   * @param {(isAnswer: boolean) => void} answered  Called with whether the daemon answered. All that
   *   the daemon sent before its answer has come by then.
   */
  ping(answered) {
    this.#pings.push(answered);
    this.#send('{"type":"ping"}');
  }

  /** The daemon has answered the oldest open ping, or has refused it. */
  answered(isAnswer) {
    this.#pings.shift()?.(isAnswer);
  }
}
