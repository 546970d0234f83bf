/**
 * Why openings fail: a browser does not say it, but the daemon does over HTTP.
 */

import { RealtimeError } from "./errors.js";

// The client asks for the first of so many failures in a row.
const ASK_EVERY = 3;

/** Finds out why openings fail. */
export class Diagnosis {
  #ask;
  // How many openings have failed in a row, and the reason that the daemon gave last.
  #failures = 0;
  #known;

  /** @param {() => Promise<RealtimeError>} ask  Asks the daemon. */
  constructor(ask) {
    this.#ask = ask;
  }

  /** Earlier failures say nothing any more. */
  reset() {
    this.#failures = 0;
  }

  /** Find out why an opening failed. The client does not ask a daemon in trouble about each. */
  async failed() {
    this.#failures += 1;
    if (this.#failures % ASK_EVERY === 1) return (this.#known = await this.#ask());
    // Without its `retryAfter`, which counted from then.
    return new RealtimeError(this.#known.code, this.#known.message);
  }

  /**
   * Ask whether the daemon would let the client in.
   *
   * @returns {Promise<RealtimeError | undefined>} The error `refused` if it would; undefined if it would
   *   not, or does not answer.
   */
  async refusal() {
    const why = await this.#ask();
    return why.code === "refused" ? why : undefined;
  }
}
