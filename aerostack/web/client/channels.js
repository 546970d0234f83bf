/**
 * The channels that `client.channel()` gives again.
 */

/**
 * Gives the same channel for the same topic again, as long as somebody holds it or it has
 * something to remember; otherwise it may be forgotten.
 */
export class Shelf {
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

  /** It has callbacks or options, which the next who asks for it wants to find. */
  keep(channel) {
    if (this.get(channel.topic) === channel) this.#kept.add(channel);
  }

  /** Give another one from now on. */
  remove(channel) {
    if (this.get(channel.topic) === channel) this.#known.delete(channel.topic);
    this.#kept.delete(channel);
  }
}
