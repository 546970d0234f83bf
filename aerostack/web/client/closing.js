/**
 * How a connection was closed, and whether the client connects again.
 */

import { RealtimeError } from "./errors.js";

/** The close codes after which another connection would not help. */
export const FINAL_CLOSES = new Set([1000, 1002, 1003, 1007, 1009, 4003, 4009, 4029]);

/** The close code after which another connection needs another token. */
export const TOKEN_CLOSE = 4001;

/**
 * The close code after a frame that was too large. Another connection helps if the client does not
 * send that frame again.
 */
export const TOO_LARGE_CLOSE = 1009;

/** The codes of errors after which another connection needs another token. */
export const TOKEN_ERRORS = new Set(["token_expired", "token_revoked", "invalid_token"]);

// A client stays away so many milliseconds at most, whatever the daemon says.
const LONGEST_DELAY = 3_600_000;

/** A delay that the daemon sent, in milliseconds; `undefined` if it is none. */
export function readDelay(value) {
  return Number.isFinite(value) && value >= 0 ? Math.min(value, LONGEST_DELAY) : undefined;
}

/**
 * The numbers in the reason of a close.
 *
 * @returns {{ delay?: number, limit?: number }} The milliseconds after which the client may come
 *   back, and the bytes that a frame may have; each `undefined` if the reason does not say it.
 */
export function readReason(reason) {
  return {
    delay: readDelay(find(/reconnect in (\d+) ms/, reason)),
    limit: find(/at most (\d+) bytes/, reason),
  };
}

/** The error for a close that nothing else explains. */
export function closedError(code, reason) {
  const why = reason ? ` (${reason})` : "";
  return new RealtimeError("closed", `The connection was closed with ${code}${why}.`, {
    closeCode: code,
  });
}

function find(pattern, reason) {
  const found = pattern.exec(reason);
  return found ? Number(found[1]) : undefined;
}
