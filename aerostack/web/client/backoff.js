/**
 * Pauses between attempts that fail, for the client and for the daemon's console.
 */

/**
 * A pause before the next attempt. Its bound doubles with each attempt.
 *
 * @param {number} attempt  How many attempts have failed before the last one.
 * @param {number} first  The first bound, in milliseconds.
 * @param {number} longest  The last bound, in milliseconds.
 * @param {number} jitter  How much of the bound is random: 1 for all of it, 0 for none.
 * @returns {number} Milliseconds.
 */
export function backoff(attempt, first, longest, jitter = 1) {
  const bound = Math.min(longest, first * 2 ** attempt);
  return bound * (1 - jitter + jitter * Math.random());
}
