/**
 * What the messages of a shared document mean: updates, and snapshots that replace them.
 *
 * An update is an event `update`; its data are the update in base64. A snapshot is an event
 * `snapshot` with `{until, data}`: it has everything that was kept up to the time `until`, in
 * milliseconds. What is too long for one message comes in parts, `{set, part, parts, data}`, where
 * `part` counts from 0. Only the last part of a snapshot replaces messages.
 */

export const UPDATE = "update";
export const SNAPSHOT = "snapshot";

/**
 * How long after the first part of an update its last part may be kept, in milliseconds. All readers
 * ignore an update that took longer. So a snapshot may replace the parts of an update that is older
 * and still not complete.
 */
export const SPAN = 600_000;

const MOST_PARTS = 65_536;
const MOST_HELD = 67_108_864;
// About what a message takes in the database beside its data, in bytes.
const OVERHEAD = 64;
const SMALLEST_BUDGET = 4096;

/** Encode bytes in base64. */
export function encodeBytes(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

/** Decode bytes from base64; `null` if the text is no base64. */
export function decodeBytes(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/**
 * Make the data of the messages for an update or a snapshot.
 *
 * @param {string} text  The update or the snapshot, in base64.
 * @param {number} size  How many characters of it one message may have.
 * @param {string} set  A name for the parts, which no other set has.
 * @param {number} [until]  For a snapshot: the time up to which it has everything.
 * @returns {any[]}
 */
export function makeMessages(text, size, set, until) {
  const more = until === undefined ? {} : { until };
  if (text.length <= size) return [until === undefined ? text : { ...more, data: text }];
  const parts = Math.ceil(text.length / size);
  return Array.from({ length: parts }, (_, part) => ({
    ...more,
    set,
    part,
    parts,
    data: text.slice(part * size, (part + 1) * size),
  }));
}

/** Read the data of a message; `null` if they are no update and no snapshot. */
function parse(event, data) {
  if (event === UPDATE && typeof data === "string") return { data, part: 0, parts: 1 };
  if (typeof data?.data !== "string") return null;
  const { set, part = 0, parts = 1, until } = data;
  if (event === SNAPSHOT ? !Number.isSafeInteger(until) : event !== UPDATE) return null;
  if (set === undefined) return event === SNAPSHOT ? { data: data.data, part: 0, parts: 1, until } : null;
  const isPart = Number.isInteger(part) && Number.isInteger(parts) && part >= 0 && part < parts;
  if (typeof set !== "string" || !isPart || parts > MOST_PARTS) return null;
  return { data: data.data, part, parts, until, key: JSON.stringify([event, set, parts, until]) };
}

/**
 * Puts the parts of updates and snapshots together. The messages may come in any order, and more than
 * once.
 */
export class DocumentMessages {
  /** @type {Map<string, { texts: Map<number, [string, number]>, parts: number, size: number }>} */
  #sets = new Map();
  #held = 0;

  /**
   * Take a message.
   *
   * @param {string} event
   * @param {any} data
   * @param {number} time  When the daemon kept it, in milliseconds.
   * @returns {{ text: string, until?: number, isLate: boolean, set?: string } | null}  What is complete
   *   now; `null` if nothing is.
   */
  take(event, data, time) {
    const message = parse(event, data);
    if (message === null) return null;
    const { key, part, parts, until } = message;
    if (key === undefined) return { text: message.data, until, isLate: false };
    const found = this.#sets.get(key) ?? { texts: new Map(), parts, size: 0 };
    this.#sets.set(key, found);
    const [, before = Infinity] = found.texts.get(part) ?? [];
    this.#count(found, message.data.length - (found.texts.get(part)?.[0].length ?? 0));
    found.texts.set(part, [message.data, Math.min(before, time)]);
    if (found.texts.size < parts) {
      this.#drop();
      return null;
    }
    this.#forget(key, found);
    const sorted = Array.from({ length: parts }, (_, at) => found.texts.get(at));
    const times = sorted.map(([, time]) => time);
    // A snapshot is never too late: what it replaces is gone.
    const isLate = event === UPDATE && Math.max(...times) - Math.min(...times) > SPAN;
    return { text: sorted.map(([text]) => text).join(""), until, isLate, set: data.set };
  }

  /**
   * Give the time up to which a snapshot may replace messages.
   *
   * @param {number} newest  The time of the newest message.
   */
  replaceable(newest) {
    let until = newest;
    for (const [key, { texts }] of this.#sets) {
      const first = Math.min(...[...texts.values()].map(([, time]) => time));
      const isUpdate = JSON.parse(key)[0] === UPDATE;
      if (isUpdate && newest - first <= SPAN) until = Math.min(until, first - 1);
    }
    return until;
  }

  #count(found, size) {
    found.size += size;
    this.#held += size;
  }

  #forget(key, found) {
    this.#sets.delete(key);
    this.#held -= found.size;
  }

  /** Drop the oldest incomplete sets while they are too large. */
  #drop() {
    for (const [key, found] of this.#sets) {
      if (this.#held <= MOST_HELD) return;
      this.#forget(key, found);
    }
  }
}

/** Counts what the messages of a document take, and says when a snapshot is worth it. */
export class Costs {
  /** @type {{ time: number, cost: number }[]} */
  #updates = [];
  #sum = 0;
  #snapshot = { time: 0, size: 0 };

  /** What the updates since the newest snapshot take, in units of what makes a snapshot worth it. */
  get level() {
    return this.#sum / Math.max(SMALLEST_BUDGET, this.#snapshot.size / 4);
  }

  /** An update, or a part of one, was kept. */
  add(time, size) {
    const cost = size + OVERHEAD;
    this.#updates.push({ time, cost });
    this.#sum += cost;
  }

  /**
   * A snapshot was kept. If another client made a snapshot at the same time, that one stays until the
   * next takes its place.
   */
  replace(until, time, size) {
    const before = this.#snapshot;
    this.#snapshot = { time, size };
    this.#updates.push({ time: before.time, cost: before.size });
    this.#updates = this.#updates.filter(({ time }) => time > until);
    this.#sum = this.#updates.reduce((sum, { cost }) => sum + cost, 0);
  }
}
