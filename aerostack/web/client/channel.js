/**
 * Topics, and what an application holds of them.
 */

import { Presence, Rows } from "./collections.js";
import { Listeners, RealtimeError } from "./common.js";

const NO_ROWS = Object.freeze([]);
// Behind `subscribed` comes `presence:sync`; where nobody is present, nothing does.
const SYNC_WITHIN = 100;

/** Whether a subscription gives what somebody else wants of the topic. */
function covers(present, wanted) {
  const same = (...looks) => looks.every((look) => look(present) === look(wanted));
  return (
    same(({ filter }) => JSON.stringify(filter ?? {})) &&
    // Who wants no rows is not disturbed by them.
    (!wanted.snapshot ||
      same(
        ({ snapshot }) => snapshot,
        ({ order, limit }) => JSON.stringify([order, limit]),
        ({ key }) => String(key ?? "id"),
      ))
  );
}

/**
 * A topic as the daemon knows it: there is one subscription to it, and one presence, however
 * many channels want it.
 */
export class Topic {
  name;
  channels = new Set();
  state = "idle";
  error = null;
  feed = "up";
  recovery = null;
  presence;
  options;
  rows;
  #host;
  #states = new Map();
  #pos;
  #confirmed = false;
  #tableLost = false;
  #timer;
  #syncTimer;

  constructor(host, name, options) {
    this.#host = host;
    this.name = name;
    this.presence = new Presence(host.report);
    this.#setOptions(options);
  }

  #setOptions(options) {
    this.options = options;
    this.rows = options.snapshot ? new Rows(options.key ?? "id", this.#host.report) : null;
  }

  get isActive() {
    return this.channels.size > 0 || this.#states.size > 0;
  }

  /** Give what these options say, if it can still be chosen, or is given anyway. */
  want(options) {
    if (!this.channels.size) {
      this.#setOptions(options);
      return;
    }
    if (covers(this.options, options)) return;
    throw new RealtimeError(
      "conflict",
      `${this.name} is subscribed with other options. A connection has one subscription to a` +
        " topic: unsubscribe first, or use a second RealtimeClient.",
      { topic: this.name },
    );
  }

  // From the application

  attach(channel) {
    this.channels.add(channel);
    if (this.channels.size === 1) this.#subscribe();
  }

  detach(channel) {
    this.channels.delete(channel);
    if (this.channels.size) return;
    clearTimeout(this.#timer);
    clearTimeout(this.#syncTimer);
    this.#timer = undefined;
    this.state = "idle";
    this.#pos = undefined;
    this.#confirmed = this.#tableLost = false;
    this.#host.leave(this.name);
  }

  track(channel, state) {
    // The state that was set last counts, whoever set it.
    this.#states.delete(channel);
    this.#states.set(channel, state);
    this.#track();
  }

  untrack(channel) {
    if (!this.#states.delete(channel)) return;
    if (this.#states.size) this.#track();
    else this.#host.send({ type: "untrack", topic: this.name });
  }

  // From the connection

  /** Ask for everything that is wanted and not there. */
  sync() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.channels.size && this.state !== "subscribed") this.#subscribe();
    if (this.#states.size) this.#track();
  }

  closed() {
    clearTimeout(this.#syncTimer);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.channels.size) this.#setState("subscribing");
  }

  refused(error) {
    this.error = error;
    if (error.code === "table_lost") {
      this.#tableLost = true;
      this.#tellGap(error.code);
    } else if (error.retryAfter !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.sync(), error.retryAfter);
      this.#tell("state", this.state);
    } else {
      if (this.state === "subscribing") this.#setState("refused");
      this.#host.report(error);
    }
  }

  receive(frame) {
    switch (frame.type) {
      case "subscribed":
        this.#subscribed(frame);
        return;
      case "unsubscribed":
        // Nobody here asked for it.  The error before it said why, and whether to try again.
        if (this.channels.size) this.#setState(this.#timer ? "subscribing" : "refused");
        return;
      case "status":
        this.feed = frame.feed;
        this.#tell("feed", frame.feed, frame.message);
        return;
    }
    if (frame.pos !== undefined) this.#pos = frame.pos;
    if (frame.type === "snapshot") {
      this.rows?.page(frame);
      this.#tell("rows");
    } else if (frame.type !== "commit") {
      this.#publication(frame);
    }
  }

  #subscribed({ pos, recovered, keptOnly, gap }) {
    const again = this.#confirmed;
    // A snapshot that was cut off is begun anew; nothing was promised of it.
    const cutOff = this.rows !== null && this.#pos === undefined;
    this.#confirmed = true;
    this.error = null;
    this.feed = "up";
    this.recovery = again ? { recovered: recovered === true, keptOnly: keptOnly === true } : null;
    this.#pos = pos;
    if (recovered !== true) this.rows?.begin();
    this.#expectSync();
    this.#setState("subscribed");
    if (again && recovered !== true && !cutOff) this.#tellGap(gap?.reason ?? "unknown");
  }

  #publication(frame) {
    const isChange = frame.type === "db_change";
    if (isChange) {
      if (this.#tableLost) this.#reload();
      this.rows?.change(frame);
    } else if (frame.event.startsWith("presence:")) {
      clearTimeout(this.#syncTimer);
      this.presence._take(frame);
    }
    this.#tell("frame", frame);
    if (isChange && this.rows) this.#tell("rows");
  }

  /** Those who left while we were away do not say so any more. */
  #expectSync() {
    clearTimeout(this.#syncTimer);
    if (this.presence.members.size === 0) return;
    const nobody = {
      type: "event",
      topic: this.name,
      event: "presence:sync",
      data: { members: [] },
      timestamp: Date.now(),
    };
    this.#syncTimer = setTimeout(() => this.#publication(nobody), SYNC_WITHIN);
  }

  /** The table that was lost is there again, as another one: begin with its rows. */
  #reload() {
    this.#tableLost = false;
    if (this.rows === null) return;
    this.#pos = undefined;
    this.#subscribe();
  }

  #subscribe() {
    this.#setState("subscribing");
    const { filter, snapshot, order, limit } = this.options;
    const since = this.#pos;
    this.#host.send({ type: "subscribe", topic: this.name, filter, since, snapshot, order, limit });
  }

  #track() {
    const state = [...this.#states.values()].at(-1);
    this.#host.send({ type: "track", topic: this.name, state });
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#tell("state", state);
  }

  #tellGap(reason) {
    this.#tell("gap", { topic: this.name, reason, reloads: this.rows !== null });
  }

  #tell(what, ...args) {
    for (const channel of [...this.channels]) channel._tell(what, ...args);
  }
}

/** What an application holds of a topic; it gets it from `client.channel()`. */
export class RealtimeSubscription {
  #host;
  #topic;
  #handlers = new Map();
  #listeners = {
    state: new Listeners(),
    gap: new Listeners(),
    feed: new Listeners(),
    rows: new Listeners(),
  };

  constructor(host, topic) {
    this.#host = host;
    this.#topic = topic;
  }

  get topic() {
    return this.#topic.name;
  }

  get isSubscribed() {
    return this.#topic.channels.has(this);
  }

  get state() {
    return this.isSubscribed ? this.#topic.state : "idle";
  }

  get error() {
    return this.#topic.error;
  }

  get feed() {
    return this.#topic.feed;
  }

  get recovery() {
    return this.#topic.recovery;
  }

  get presence() {
    return this.#topic.presence;
  }

  get rows() {
    return this.#topic.rows?.list ?? NO_ROWS;
  }

  on(event, callback) {
    if (!this.#handlers.has(event)) this.#handlers.set(event, new Listeners());
    this.#handlers.get(event).add(callback);
    return this;
  }

  off(event, callback) {
    this.#handlers.get(event)?.delete(callback);
    return this;
  }

  onStateChange(callback) {
    return this.#listeners.state.add(callback);
  }

  onGap(callback) {
    return this.#listeners.gap.add(callback);
  }

  onFeedChange(callback) {
    return this.#listeners.feed.add(callback);
  }

  onRows(callback) {
    return this.#listeners.rows.add(callback);
  }

  subscribe() {
    if (this.isSubscribed) return this;
    this.#topic = this.#host.activate(this.#topic);
    this.#topic.attach(this);
    return this;
  }

  unsubscribe() {
    if (!this.isSubscribed) return;
    this.#topic.detach(this);
    this.#handlers.clear();
    for (const listeners of Object.values(this.#listeners)) listeners.clear();
    this.#host.release(this.#topic, this);
  }

  publish(event, data, options) {
    return this.#host.publish(this.topic, event, data, options?.persist);
  }

  track(state) {
    if (state === null || typeof state !== "object" || Array.isArray(state)) {
      throw new TypeError("A presence state is an object.");
    }
    this.#topic = this.#host.activate(this.#topic, true);
    this.#topic.track(this, state);
  }

  untrack() {
    this.#topic.untrack(this);
    this.#host.release(this.#topic);
  }

  getHistory(limit, before) {
    return this.#host.getHistory(this.topic, limit, before);
  }

  _want(options) {
    this.#topic.want(options);
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
