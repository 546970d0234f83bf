/**
 * What a subscription selects: a filter, and perhaps rows.
 */

import { encode } from "./outgoing.js";

/** Whether a subscription with some options gives another channel what it wants. */
export function covers(present, wanted) {
  const same = (...looks) => looks.every((look) => look(present) === look(wanted));
  return (
    same(({ filter }) => JSON.stringify(filter ?? {})) &&
    // A channel that wants no rows may share a subscription that has them.
    (!wanted.snapshot ||
      same(
        ({ snapshot }) => snapshot,
        ({ order, limit }) => JSON.stringify([order, limit]),
        ({ key }) => String(key ?? "id"),
      ))
  );
}

/**
 * The options that the daemon gets, as the fields of a JSON object without its braces.
 *
 * @throws {RealtimeError} One of them cannot be encoded.
 */
export function encodeOptions({ filter, snapshot, order, limit }) {
  return encode({ filter, snapshot, order, limit }).slice(1, -1);
}
