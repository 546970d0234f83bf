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

  get(name) {
    return this.#known.get(name)?.deref();
  }

  add(channel) {
    this.#known.set(channel.topic, new WeakRef(channel));
    this.#forgotten.register(channel, channel.topic);
  }

  /** Keep a channel: it has callbacks or options, which the next `channel()` must find again. */
  keep(channel) {
    if (this.get(channel.topic) === channel) this.#kept.add(channel);
  }

  /** Give another channel from now on. */
  remove(channel) {
    if (this.get(channel.topic) === channel) this.#known.delete(channel.topic);
    this.#kept.delete(channel);
  }
}
