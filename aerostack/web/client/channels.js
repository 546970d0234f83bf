/**
 * The channels that `client.channel()` gives again.
 */

/**
 * Gives the same channel for the same topic, as long as the application holds it or it has something
 * to remember. Other channels may be forgotten.
 */
export class Channels {
  #known = new Map();
  #kept = new Set();
  #forgotten = new FinalizationRegistry((name) => {
    if (this.#known.get(name)?.deref() === undefined) this.#known.delete(name);
  });

  /** @param {string} key  The name of the topic, perhaps with what its options add. */
  get(key) {
    return this.#known.get(key)?.deref();
  }

  add(channel) {
    this.#known.set(channel._key, new WeakRef(channel));
    this.#forgotten.register(channel, channel._key);
  }

  /** Keep a channel: it has callbacks or options, which the next `channel()` must find again. */
  keep(channel) {
    if (this.get(channel._key) === channel) this.#kept.add(channel);
  }

  /** Give another channel from now on. */
  remove(channel) {
    if (this.get(channel._key) === channel) this.#known.delete(channel._key);
    this.#kept.delete(channel);
  }
}
