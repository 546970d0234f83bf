/**
 * An application's callbacks.
 */

import { RealtimeError } from "./errors.js";

/** @typedef {import("./interfaces.js").Report} Report */

/**
 * Call an application's function. Report what it throws, so that other callbacks are still called.
 *
 * @param {Report} report
 * @param {Function} callback
 */
function callOne(report, callback, ...args) {
  const failed = (cause) =>
    report(new RealtimeError("callback_failed", `A callback threw: ${cause}`, { cause }));
  try {
    const result = callback(...args);
    if (typeof result?.then === "function") result.then(undefined, failed);
  } catch (cause) {
    failed(cause);
  }
}

/** The functions of an application for one kind of event. A function that is added twice counts once. */
export class Callbacks {
  /** @type {Set<Function>} */
  #callbacks = new Set();

  /** Add a callback; return a function that takes it back. */
  add(callback) {
    if (typeof callback !== "function") throw new TypeError("A callback must be a function.");
    this.#callbacks.add(callback);
    return () => this.delete(callback);
  }

  delete(callback) {
    this.#callbacks.delete(callback);
  }

  clear() {
    this.#callbacks.clear();
  }

  get size() {
    return this.#callbacks.size;
  }

  *[Symbol.iterator]() {
    // A callback that is added during the calls waits for the next time. A callback that is taken
    // back during the calls is not called.
    for (const callback of [...this.#callbacks]) if (this.#callbacks.has(callback)) yield callback;
  }

  /**
   * Call all of them.
   *
   * @param {Report} report
   */
  call(report, ...args) {
    for (const callback of this) callOne(report, callback, ...args);
  }
}

/**
 * @template T
 * @typedef {{ promise: Promise<T>, resolve: (value?: T) => void, reject: (error: Error) => void }}
 *   Deferred
 */

/**
 * Make a promise that other code settles. A rejection that is not handled is no error of the page.
 *
 * @returns {Deferred<any>}
 */
export function defer() {
  /** @type {any} */
  const deferred = {};
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }));
  deferred.promise.catch(() => {});
  return deferred;
}
