/**
 * Asks the daemon again and again, and decides what to do after a failure.
 */

import { backoff } from "../client/backoff.js";
import { ApiError } from "./api.js";

// The longest pauses between two attempts, in milliseconds: while the daemon does not answer, and
// while it refuses.
const AWAY = 15_000;
const REFUSED = 60_000;
const FIRST = 1000;
// A pause is between a half and all of its bound.
const JITTER = 0.5;

/**
 * What a failure means.
 *
 * @param {Error} error
 * @param {number} attempt  How many attempts have failed before.
 * @returns {{ state: "keyless" | "refused" | "away" | "broken", delay: number | null }} `keyless`: the
 *   daemon wants another key. `refused`: the daemon refuses. `away`: the daemon cannot answer.
 *   `broken`: this page has a fault. `delay` is the pause before the next attempt, in milliseconds;
 *   `null` for no further attempt.
 */
export function judge(error, attempt) {
  if (!(error instanceof ApiError)) return { state: "broken", delay: null };
  if (error.status === 401) return { state: "keyless", delay: null };
  if (error.status === 403 || error.status === 404) {
    return { state: "refused", delay: backoff(attempt + 2, FIRST, REFUSED, JITTER) };
  }
  return { state: "away", delay: Math.max(error.retryAfter ?? 0, backoff(attempt, FIRST, AWAY, JITTER)) };
}

/** Calls a function every second, and after ever longer pauses while it fails. */
export class Loop {
  #turn;
  #told;
  #interval;
  #timer;
  #controller = null;
  #failures = 0;
  #running = false;

  /**
   * @param {(signal: AbortSignal) => Promise<void>} turn
   * @param {(state: string, error?: Error, delay?: number | null) => void} told  Called after each
   *   turn, with `live` or with what `judge` says of the failure.
   * @param {number} interval  In milliseconds.
   */
  constructor(turn, told, interval = 1000) {
    this.#turn = turn;
    this.#told = told;
    this.#interval = interval;
  }

  get isRunning() {
    return this.#running;
  }

  /** Begin at once, and forget earlier failures. */
  start() {
    this.stop();
    this.#running = true;
    this.#failures = 0;
    this.#go();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#running = false;
    this.#controller?.abort();
    this.#controller = null;
  }

  /** Begin the next turn now, if none is under way. */
  soon() {
    if (this.#running && this.#controller === null) this.#go();
  }

  async #go() {
    clearTimeout(this.#timer);
    const controller = (this.#controller = new AbortController());
    let delay = this.#interval;
    let outcome = ["live"];
    try {
      await this.#turn(controller.signal);
      this.#failures = 0;
    } catch (error) {
      const judged = judge(error, this.#failures++);
      ({ delay } = judged);
      outcome = [judged.state, error, delay];
    }
    if (controller !== this.#controller) return;
    this.#controller = null;
    if (delay === null) this.#running = false;
    else this.#timer = setTimeout(() => this.#go(), delay);
    this.#told(...outcome);
  }
}
