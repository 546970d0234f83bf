/**
 * Asking again and again, and what to do when that fails.
 */

import { backoff } from "../client/backoff.js";
import { ApiError } from "./api.js";

// The longest pauses between two tries, in milliseconds: where the daemon is away, and where
// it answers and refuses.
const AWAY = 15_000;
const REFUSED = 60_000;
const FIRST = 1000;
// A pause is between a half and all of its bound.
const JITTER = 0.5;

/**
 * What a failure means: `keyless` (another key is needed), `refused` (the daemon will not),
 * `away` (it cannot) or `broken` (this page has a mistake), and after how many milliseconds to
 * try again; null for never.
 */
export function judge(error, attempt) {
  if (!(error instanceof ApiError)) return { state: "broken", delay: null };
  if (error.status === 401) return { state: "keyless", delay: null };
  if (error.status === 403 || error.status === 404) {
    return { state: "refused", delay: backoff(attempt + 2, FIRST, REFUSED, JITTER) };
  }
  return { state: "away", delay: Math.max(error.retryAfter ?? 0, backoff(attempt, FIRST, AWAY, JITTER)) };
}

/**
 * Does one thing every second, and more and more seldom while it fails.
 *
 * `turn(signal)` is that thing; `told(state, error, delay)` hears of every turn how it went:
 * `live`, or what `judge` says.
 */
export class Loop {
  #turn;
  #told;
  #interval;
  #timer;
  #controller = null;
  #failures = 0;
  #running = false;

  constructor(turn, told, interval = 1000) {
    this.#turn = turn;
    this.#told = told;
    this.#interval = interval;
  }

  get isRunning() {
    return this.#running;
  }

  /** Begin, or begin anew: at once, and with no failures to think of. */
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

  /** Do not wait for the next turn; one that is under way is enough. */
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
