/**
 * Errors, callbacks and JSON, for the other files of the client.
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

  *[Symbol.iterator]() {
    // One that comes while they are called waits for the next time; one that goes is not called.
    for (const callback of [...this.#callbacks]) if (this.#callbacks.has(callback)) yield callback;
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

const ESCAPES = /\\(?:ud[89a-f]|[^])/g;

/** Whether a JSON text of ours has half a surrogate pair: of all escapes only that is `\ud...`. */
function hasHalf(text) {
  if (!text.includes("\\ud")) return false;
  for (const [escape] of text.matchAll(ESCAPES)) if (escape.length > 2) return true;
  return false;
}

/** The JSON of what an application gave. Throws `invalid_data` where it cannot be JSON. */
export function encode(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new RealtimeError("invalid_data", `The data cannot be JSON: ${cause.message}`, { cause });
  }
  if (hasHalf(text)) {
    throw new RealtimeError(
      "invalid_data",
      "The data has half a character in it (an unpaired surrogate), as slice() leaves an emoji that" +
        " it cuts in two. Cut texts by whole characters, such as with [...text].",
    );
  }
  return text;
}

/** How many bytes a text has on the wire. */
export function countBytes(text) {
  return new TextEncoder().encode(text).length;
}

/** Random letters that a subprotocol may have, of so many random bytes. */
export function makeSecret(bytes) {
  const random = globalThis.crypto.getRandomValues(new Uint8Array(bytes));
  const letters = btoa(String.fromCharCode(...random));
  return letters.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
