/**
 * Encodes what an application sends.
 */

import { RealtimeError } from "./errors.js";

const ESCAPES = /\\(?:ud[89a-f]|[^])/g;

/**
 * Whether a JSON text has half of a surrogate pair. `JSON.stringify` writes it as `\ud...`, and
 * writes nothing else so.
 */
function hasHalf(text) {
  if (!text.includes("\\ud")) return false;
  for (const [escape] of text.matchAll(ESCAPES)) if (escape.length > 2) return true;
  return false;
}

/**
 * Encode what an application gave.
 *
 * @param {unknown} value
 * @returns {string | undefined} Its JSON; `undefined` where JSON leaves it out, such as a function.
 * @throws {RealtimeError} `invalid_data`: it cannot be JSON.
 */
export function encode(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new RealtimeError("invalid_data", `The data cannot be JSON: ${cause.message}`, { cause });
  }
  if (text !== undefined && hasHalf(text)) {
    throw new RealtimeError(
      "invalid_data",
      "The data has half a character in it (an unpaired surrogate), as slice() leaves an emoji that" +
        " it cuts in two. Cut texts by whole characters, such as with [...text].",
    );
  }
  return text;
}

/** How many bytes a text has in UTF-8. */
export function countBytes(text) {
  return new TextEncoder().encode(text).length;
}
