/**
 * Errors and callbacks, for the other files of the client.
 */

/** Something that went wrong, with a code that stays the same. */
export class RealtimeError extends Error {
  constructor(code, message, details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "RealtimeError";
    this.code = code;
    for (const name of ["retryAfter", "topic", "id", "closeCode"]) {
      if (details[name] !== undefined) this[name] = details[name];
    }
  }
}

/** Call an application's function; what it throws is told, and stops nobody else. */
export function call(report, callback, ...args) {
  const failed = (cause) =>
    report(new RealtimeError("callback_failed", `A callback threw: ${cause}`, { cause }));
  try {
    const result = callback(...args);
    if (typeof result?.then === "function") result.then(undefined, failed);
  } catch (cause) {
    failed(cause);
  }
}

/** The functions that an application wants called when one thing happens. */
export class Listeners {
  #callbacks = new Set();

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

  [Symbol.iterator]() {
    // A copy: callbacks may come and go while they are called.
    return [...this.#callbacks].values();
  }

  tell(report, ...args) {
    for (const callback of this) call(report, callback, ...args);
  }
}

/** A promise to be settled from outside; nobody has to take notice when it is rejected. */
export function defer() {
  const deferred = {};
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }));
  deferred.promise.catch(() => {});
  return deferred;
}
