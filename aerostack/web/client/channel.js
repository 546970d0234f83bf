/**
 * What an application holds of a topic.
 */

import { Listeners, RealtimeError, encode } from "./common.js";

const NO_ROWS = Object.freeze([]);

/** What an application holds of a topic; it gets it from `client.channel()`. */
export class RealtimeSubscription {
  #host;
  #name;
  #options;
  // The topic, as long as this is subscribed or tracks there.
  #topic = null;
  #handlers = new Map();
  #listeners = {
    state: new Listeners(),
    gap: new Listeners(),
    feed: new Listeners(),
    rows: new Listeners(),
    presence: new Listeners(),
  };
  #presence;

  constructor(host, name, options) {
    this.#host = host;
    this.#name = name;
    this.#options = options;
    const channel = this;
    const empty = new Map();
    this.#presence = {
      get members() {
        return channel.#topic?.presence.members ?? empty;
      },
      onChange: (callback) => this.#listen("presence", callback),
    };
  }

  get topic() {
    return this.#name;
  }

  get isSubscribed() {
    return this.#topic?.channels.has(this) ?? false;
  }

  get state() {
    return this.isSubscribed ? this.#topic.state : "idle";
  }

  get error() {
    return this.#topic?.error ?? null;
  }

  get feed() {
    return this.#topic?.feed ?? "up";
  }

  get recovery() {
    return this.#topic?.recovery ?? null;
  }

  get presence() {
    return this.#presence;
  }

  get rows() {
    return (this.isSubscribed && this.#topic.rows?.list) || NO_ROWS;
  }

  on(event, callback) {
    if (!this.#handlers.has(event)) this.#handlers.set(event, new Listeners());
    this.#handlers.get(event).add(callback);
    this.#host.keep(this);
    return this;
  }

  off(event, callback) {
    this.#handlers.get(event)?.delete(callback);
    return this;
  }

  onStateChange(callback) {
    return this.#listen("state", callback);
  }

  onGap(callback) {
    return this.#listen("gap", callback);
  }

  onFeedChange(callback) {
    return this.#listen("feed", callback);
  }

  onRows(callback) {
    return this.#listen("rows", callback);
  }

  subscribe() {
    if (this.isSubscribed) return this;
    const topic = this.#host.activate(this.#name);
    try {
      topic.attach(this, this.#options);
    } catch (error) {
      this.#host.release(topic);
      throw error;
    }
    this.#topic = topic;
    return this;
  }

  unsubscribe() {
    if (!this.isSubscribed) return;
    const topic = this.#topic;
    const callbacks = [...this.#handlers.values(), ...Object.values(this.#listeners)];
    for (const listeners of callbacks) listeners.clear();
    this.#handlers.clear();
    if (!topic.tracks(this)) this.#topic = null;
    topic.detach(this);
    this.#host.release(topic, this);
  }

  publish(event, data, options) {
    return this.#host.publish(this.#name, event, data, options?.persist);
  }

  track(state) {
    if (state === null || typeof state !== "object" || Array.isArray(state)) {
      throw new TypeError("A presence state is an object.");
    }
    // Now, because the application may go on to change what it gave.
    const text = encode(state);
    if (text?.[0] !== "{") {
      throw new RealtimeError("invalid_data", "A presence state is an object in JSON, too.");
    }
    this.#topic = this.#host.activate(this.#name);
    this.#topic.track(this, text);
  }

  untrack() {
    const topic = this.#topic;
    if (topic === null || !topic.tracks(this)) return;
    if (!this.isSubscribed) this.#topic = null;
    topic.untrack(this);
    this.#host.release(topic);
  }

  getHistory(limit, before) {
    return this.#host.getHistory(this.#name, limit, before);
  }

  #listen(what, callback) {
    const end = this.#listeners[what].add(callback);
    this.#host.keep(this);
    return end;
  }

  /** Have these options, if they can still be chosen, or are given anyway. */
  _want(options) {
    if (this.isSubscribed) this.#topic.check(options);
    else this.#options = options;
    this.#host.keep(this);
  }

  _tell(what, ...args) {
    const { report } = this.#host;
    if (what === "frame") {
      const [frame] = args;
      this.#handlers.get(frame.operation ?? frame.event)?.tell(report, frame);
      this.#handlers.get("*")?.tell(report, frame);
    } else if (what === "rows") {
      // The list is made only where somebody looks at it.
      if (this.#listeners.rows.size) this.#listeners.rows.tell(report, this.rows);
    } else {
      this.#listeners[what].tell(report, ...args);
    }
  }
}
