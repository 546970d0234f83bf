/**
 * What a subscription selects: a filter, and perhaps rows or frames from before.
 */

import { encode } from "./outgoing.js";

/** What a subscription is known by: its topic, and the name of its view if it has one. */
export function keyOf(topic, view) {
  // No topic has a line feed.
  return view ? `${topic}\n${view}` : topic;
}

/**
 * A name for the view with some options, the same in all clients, so that the daemon makes each
 * frame once for all of them. It is a hash (FNV-1a of 64 bits) of the options.
 *
 * @param {string} text  The options, as `encodeOptions` gives them.
 */
export function nameView(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(36);
}

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
      )) &&
    // The client holds the frames that the subscription began with, and no others.
    (wanted.rewind ?? 0) <= (present.rewind ?? 0)
  );
}

/** Whether a subscription need only begin anew, with frames from before, to cover what is wanted. */
export function mayRewind(present, wanted) {
  const { rewind } = wanted;
  return rewind !== undefined && covers({ ...present, rewind }, wanted);
}

/**
 * A text that is the same for channels with the same options.
 *
 * @param {Record<string, any>} options
 */
export function identify(options) {
  return `${encodeOptions(options)}\n${options.key ?? ""}`;
}

/**
 * The options that the daemon gets, as the fields of a JSON object without its braces.
 *
 * @param {Record<string, any>} options
 * @throws {RealtimeError} One of them cannot be encoded.
 */
export function encodeOptions({ filter, snapshot, order, limit, rewind }) {
  return encode({ filter, snapshot, order, limit, rewind }).slice(1, -1);
}
