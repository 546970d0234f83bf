/**
 * The values of a keyed topic.
 */

/**
 * @typedef {object} Entry
 * @property {any} data
 * @property {string | undefined} pos  The position of the event that brought it.
 * @property {string} event
 * @property {string | undefined} userId
 * @property {number} timestamp
 */

/**
 * The newest event of each key. While the daemon sends all values anew, the application sees the old
 * ones.
 */
export class SharedState {
  /** Whether the daemon has sent all values that there are. */
  isReady = false;
  /** Whether a value has come. */
  isUsed = false;
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  // The values that are coming, until the last of them is there.
  #coming = null;
  // What the application has got of the entries; made again after a change.
  #values = null;

  /** The data by key; another object after a change. */
  get values() {
    this.#values ??= new Map([...this.#entries].map(([key, { data }]) => [key, data]));
    return this.#values;
  }

  /** @returns {Entry | undefined} */
  get(key) {
    return this.#entries.get(key);
  }

  /**
   * The subscription begins.
   *
   * @param {boolean} goesOn  Whether the daemon sends only what the client missed.
   * @param {boolean} isComing  Otherwise: whether the daemon sends values.
   * @returns {boolean} Whether the application sees something else now.
   */
  subscribed(goesOn, isComing) {
    if (goesOn) return this.#coming !== null && this.#show(this.#coming);
    this.#coming = new Map();
    return !isComing && this.#show(this.#coming);
  }

  /** Take an event that has a key; return whether the application sees something else now. */
  received({ key, data, pos, event, userId, timestamp, current, more }) {
    this.isUsed = true;
    const entries = this.#coming ?? this.#entries;
    entries.delete(key);
    if (data !== null) entries.set(key, { data, pos, event, userId, timestamp });
    if (this.#coming === null) this.#values = null;
    else if (current !== true || more !== true) return this.#show(this.#coming);
    return this.#coming === null;
  }

  #show(entries) {
    const isNew = !this.isReady || entries.size + this.#entries.size > 0;
    this.#entries = entries;
    this.#values = null;
    this.#coming = null;
    this.isReady = true;
    return isNew;
  }
}

/**
 * Compute a new value from the present one, and set it. Do so again if another client was faster.
 *
 * @param {(event: string, data: any, options: object) => Promise<void>} publish
 * @param {Entry | undefined} entry  The present value, as far as this client knows.
 * @param {string} key
 * @param {(data: any) => any} change  Gets the data, `undefined` without a value, and gives the new
 *   data: `null` removes the value, `undefined` leaves it.
 * @param {{ event?: string, persist?: boolean }} options
 */
export async function update(publish, entry, key, change, { event = "set", persist } = {}) {
  for (;;) {
    const data = change(entry?.data);
    if (data === undefined) return entry?.data;
    const condition = entry?.pos === undefined ? { ifNew: true } : { ifPos: entry.pos };
    try {
      await publish(event, data, { key, persist, ...condition });
      return data;
    } catch (error) {
      // A client that may not read the topic does not get the value.
      if (error.code !== "stale" || error.pos === undefined) throw error;
      entry = typeof error.pos === "string" ? { ...entry, pos: error.pos, data: error.data } : undefined;
    }
  }
}
