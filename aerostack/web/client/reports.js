/**
 * What the application hears of errors: each code once for each topic, until a connection has lasted.
 */

/** Passes errors on. */
export class Reports {
  #report;
  #reported = new Set();

  /** @param {(error: import("./errors.js").RealtimeError) => void} report */
  constructor(report) {
    this.#report = report;
  }

  add(error) {
    const kind = `${error.code} ${error.topic ?? ""}`;
    if (this.#reported.has(kind)) return;
    this.#reported.add(kind);
    this.#report(error);
  }

  /** Errors that come again are new. */
  clear() {
    this.#reported.clear();
  }
}
