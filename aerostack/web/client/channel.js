/**
 * Channels: what an application holds of a topic.
 */

import { Callbacks } from "./callbacks.js";
import { RealtimeError } from "./errors.js";
import { encode } from "./outgoing.js";
import { identify } from "./selection.js";
import { update } from "./sharedstate.js";

const NONE = Object.freeze([]);
const EMPTY = new Map();

/** A topic, as an application uses it. `client.channel()` makes it. */
export class RealtimeSubscription {
  #host;
  #name;
  #options;
  /** What `client.channel()` finds it by. */
  _key;
  /**
   * The topic, with the subscription that this channel has; while it is subscribed.
   *
   * @type {import("./topic.js").Topic | null}
   */
  #topic = null;
  /**
   * The topic, while this channel tracks.
   *
   * @type {import("./topic.js").Topic | null}
   */
  #tracked = null;
  #events = new Map();
  #notices = {
    state: new Callbacks(),
    gap: new Callbacks(),
    feed: new Callbacks(),
    rows: new Callbacks(),
    presence: new Callbacks(),
    answers: new Callbacks(),
    shared: new Callbacks(),
  };
  #presence;
  #shared;
  #answers;

  /**
   * @param {import("./interfaces.js").SessionHost} host
   * @param {string} name  The whole name of the topic.
   * @param {Record<string, any>} options
   * @param {string} key  What `client.channel()` finds it by.
   */
  constructor(host, name, options, key = name) {
    this.#host = host;
    this._key = key;
    this.#name = name;
    this.#options = options;
    const channel = this;
    const empty = new Map();
    this.#presence = {
      get members() {
        return (channel.#topic ?? channel.#tracked)?.presence.members ?? empty;
      },
      onChange: (callback) => this.#listen("presence", callback),
    };
    this.#answers = {
      get list() {
        return (channel.isSubscribed && channel.#topic.answers.list) || NONE;
      },
      get newest() {
        return this.list.at(-1) ?? null;
      },
      onChange: (callback) => this.#listen("answers", callback),
    };
    this.#shared = this.#makeShared();
  }

  #makeShared() {
    const channel = this;
    const publish = (event, data, options) => channel.publish(event, data, options);
    const entry = (key) => (channel.isSubscribed ? channel.#topic.shared.get(key) : undefined);
    return {
      get values() {
        return channel.isSubscribed ? channel.#topic.shared.values : EMPTY;
      },
      get isReady() {
        return channel.isSubscribed && channel.#topic.shared.isReady;
      },
      entry,
      set: (key, data, { event = "set", ...options } = {}) =>
        publish(event, data, { key, ...options }),
      delete: (key, { event = "delete", ...options } = {}) =>
        publish(event, null, { key, ...options }),
      update: (key, change, options) => update(publish, entry(key), key, change, options),
      onChange: (callback) => channel.#listen("shared", callback),
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

  get answers() {
    return this.#answers;
  }

  get sharedState() {
    return this.#shared;
  }

  get rows() {
    return (this.isSubscribed && this.#topic.rows?.list) || NONE;
  }

  on(event, callback) {
    if (!this.#events.has(event)) this.#events.set(event, new Callbacks());
    this.#events.get(event).add(callback);
    this.#host.keep(this);
    return this;
  }

  off(event, callback) {
    this.#events.get(event)?.delete(callback);
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
    if (this.isSubscribed) {
      this.#topic.askAgain();
      return this;
    }
    const topic = this.#host.activate(this.#name, this.#options);
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
    const callbacks = [...this.#events.values(), ...Object.values(this.#notices)];
    for (const each of callbacks) each.clear();
    this.#events.clear();
    this.#topic = null;
    topic.detach(this);
    this.#host.release(topic, this);
  }

  publish(event, data, options) {
    return this.#host.publish(this.#name, event, data, options);
  }

  track(state) {
    if (state === null || typeof state !== "object" || Array.isArray(state)) {
      throw new TypeError("A presence state is an object.");
    }
    // Encoded now, because the application may change the object afterwards.
    const text = encode(state);
    if (text?.[0] !== "{") {
      throw new RealtimeError("invalid_data", "A presence state must be an object in JSON, too.");
    }
    this.#tracked = this.#host.activate(this.#name);
    this.#tracked.track(this, text);
  }

  untrack() {
    const topic = this.#tracked;
    if (topic === null) return;
    this.#tracked = null;
    topic.untrack(this);
    this.#host.release(topic);
  }

  getHistory(limit, before) {
    return this.#host.getHistory(this.#name, limit, before);
  }

  #listen(what, callback) {
    const end = this.#notices[what].add(callback);
    this.#host.keep(this);
    return end;
  }

  /** Whether no callback gets its frames. */
  get _isQuiet() {
    return [...this.#events.values()].every(({ size }) => size === 0);
  }

  /** Whether it can be given to an application that wants these options. */
  _suits(options) {
    if (this.isSubscribed) return this.#topic.suits(options);
    return !Object.keys(this.#options).length || identify(this.#options) === identify(options);
  }

  /** Use these options. A subscribed channel checks only that its topic has the same. */
  _want(options) {
    if (this.isSubscribed) this.#topic.check(options);
    else this.#options = options;
    this.#host.keep(this);
  }

  /** Call the callbacks for a frame, or for a notice of the topic. */
  _notify(what, ...args) {
    const { report } = this.#host;
    if (what === "frame") {
      const [frame] = args;
      this.#events.get(frame.operation ?? frame.event)?.call(report, frame);
      this.#events.get("*")?.call(report, frame);
    } else if (what === "rows") {
      // The list is made only if a callback gets it.
      if (this.#notices.rows.size) this.#notices.rows.call(report, this.rows);
    } else if (what === "shared") {
      if (this.#notices.shared.size) this.#notices.shared.call(report, this.#shared.values);
    } else {
      this.#notices[what].call(report, ...args);
    }
  }
}
