/**
 * A topic as the daemon knows it: one subscription and one presence, over whatever connection there
 * is.
 */

import { Answers } from "./answers.js";
import { backoff } from "./backoff.js";
import { RealtimeError } from "./errors.js";
import { Presence } from "./presence.js";
import { Rows } from "./rows.js";
import { covers, encodeOptions } from "./selection.js";
import { Subscribing } from "./subscribing.js";
import { Tracking } from "./tracking.js";

// While a table is missing, the client asks for its rows after pauses that double, in milliseconds.
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
const NO_TABLE = new Set(["unknown_table", "untrackable_table", "table_lost"]);

/**
 * Keeps the daemon's idea of a topic the same as the application's, for all channels of the topic.
 *
 * `next` gives the frame to send; the topic calls the host's `touch` when there may be one.
 */
export class Topic {
  name;
  channels = new Set();
  state = "idle";
  error = null;
  feed = "up";
  recovery = null;
  presence = new Presence();
  rows = null;
  /** @type {Answers} */
  answers;
  /** @type {Record<string, any>} */
  #options = {};
  #host;
  #subscribing;
  #tracking;
  // Whether the frames that come are for the present channels.
  #isHeard = false;
  #pos;
  // Whether the pages of a snapshot are coming. Until the last page there is no position to resume
  // from.
  #isFilling = false;
  #confirmed = false;
  // Whether the application has seen something that a gap would make wrong.
  #isShown = false;
  #timer;
  // How often the client has asked for the rows of a table that is missing.
  #asksForTable = 0;

  /**
   * @param {import("./interfaces.js").SessionHost} host
   * @param {string} name  The whole name of the topic.
   */
  constructor(host, name) {
    this.#host = host;
    this.name = name;
    this.#subscribing = new Subscribing(name);
    this.#tracking = new Tracking(name);
    this.#forgetAnswers();
  }

  /** Whether the session may forget it. */
  get isIdle() {
    return !this.channels.size && this.#subscribing.isIdle && this.#tracking.isIdle;
  }

  get isTracking() {
    return this.#tracking.isWanted;
  }

  // From the application

  /** Throw if a channel with these options cannot share the subscription. */
  check(options) {
    if (!this.channels.size || covers(this.#options, options)) return;
    throw new RealtimeError(
      "conflict",
      `${this.name} is subscribed with other options. A connection has one subscription to a` +
        " topic: unsubscribe first, or use a second RealtimeClient.",
      { topic: this.name },
    );
  }

  /** A channel subscribes. */
  attach(channel, options) {
    this.check(options);
    if (!this.channels.size) {
      const text = encodeOptions(options);
      this.#options = options;
      this.rows = options.snapshot ? new Rows(options.key ?? "id", this.#host.report) : null;
      this.#subscribing.want(text);
      this.#forgetAnswers();
      this.#pos = undefined;
      this.#isHeard = this.#confirmed = this.#isShown = false;
      this.error = this.recovery = null;
      this.feed = "up";
      this.#setState("subscribing");
    }
    this.channels.add(channel);
    this.#host.touch(this);
  }

  /** A channel unsubscribes. */
  detach(channel) {
    this.channels.delete(channel);
    if (this.channels.size) return;
    this.#endPause();
    this.state = "idle";
    this.#subscribing.leave();
    this.#isHeard = false;
    this.presence.clear();
    this.#host.touch(this);
  }

  /** A channel is present, with this state as JSON. */
  track(channel, state) {
    this.#tracking.set(channel, state);
    this.#host.touch(this);
  }

  /** A channel is present no more. */
  untrack(channel) {
    if (this.#tracking.delete(channel)) this.#host.touch(this);
  }

  tracks(channel) {
    return this.#tracking.has(channel);
  }

  // To the daemon

  /** Take the next frame, as JSON; `null` if there is none. */
  next() {
    // The daemon asked to wait.
    if (this.#timer !== undefined) return null;
    // Presence first: the daemon keeps the place of a client that is away for a short time only.
    if (!this.#tracking.spoke && this.isTracking) return this.#tracking.next();
    return this.#subscribing.next(this.#pos) ?? this.#tracking.next();
  }

  // From the connection

  /** The client has another token: it may have other rights now, and be another user. */
  tokenChanged() {
    if (this.#subscribing.isRefused) {
      this.#subscribing.isRefused = false;
      this.#setState("subscribing");
    }
    this.#tracking.tokenChanged();
    this.#host.touch(this);
  }

  /** The connection is closed. */
  closed() {
    this.#endPause();
    this.#isHeard = false;
    this.#subscribing.closed();
    this.#tracking.closed();
    this.presence.closed();
    if (this.channels.size) this.#setState("subscribing");
  }

  /**
   * The daemon has sent an error.
   *
   * @param {RealtimeError} error
   * @param {string | null | undefined} request  The type of the frame that it refuses; `null` if it
   *   refuses no frame; `undefined` from an older daemon, which does not say.
   */
  refused(error, request) {
    const subscribing = this.#subscribing;
    const about = (request === undefined ? subscribing.request : request) ?? "";
    if (error.code === "table_lost" && !request) {
      this.error = error;
      this.#notifyGap(error.code);
      this.#reload();
    } else if (error.code === "rate_limited") {
      // The daemon has done nothing of what the frame asked.
      subscribing.undo(about);
      // An older daemon does not say whether it refused this.
      if ((about.endsWith("track") || !request) && this.#tracking.spoke) this.#tracking.doubt();
    } else if (error.retryAfter !== undefined || error.code === "view_changed") {
      subscribing.undo(about);
      if (about === "track") this.#tracking.doubt();
      this.error = error;
      this.#sendLater(error.retryAfter ?? 0);
      this.#notify("state", this.state);
    } else if (about === "subscribe" && subscribing.request === about) {
      if (subscribing.refused() && !this.#waitsForTable(error)) {
        this.error = error;
        subscribing.isRefused = true;
        this.#isHeard = false;
        this.#setState("refused");
        this.#host.report(error);
      }
    } else if (!this.#waitsForTable(error)) {
      if (about === "unsubscribe") subscribing.undo(about);
      this.error = error;
      this.#host.report(error);
    }
    this.#host.touch(this);
  }

  /** After an error for a table that is missing, ask again later: it may come back. */
  #waitsForTable(error) {
    if (!this.#confirmed || !this.channels.size || !NO_TABLE.has(error.code)) return false;
    if (this.#asksForTable === 0) this.#host.report(error);
    this.error = error;
    this.rows?.clear();
    this.#notify("rows");
    this.#sendLater(backoff(this.#asksForTable, FIRST_PAUSE, LONGEST_PAUSE, 0));
    this.#reload();
    this.#asksForTable += 1;
    return true;
  }

  /** Take a frame of this topic. */
  received(frame) {
    switch (frame.type) {
      case "subscribed":
        this.#subscribed(frame);
        this.#host.touch(this);
        return;
      case "unsubscribed":
        this.#unsubscribed();
        return;
      case "synced":
        if (this.presence.synced()) this.#synced(frame);
        return;
    }
    const isPresence = frame.type === "event" && frame.event.startsWith("presence:");
    if (isPresence) this.#presenceEvent(frame);
    if (!this.#isHeard) return;
    if (frame.type === "status") {
      this.#status(frame);
      return;
    }
    if (frame.type === "snapshot" && !frame.more) {
      this.#isFilling = false;
      this.#asksForTable = 0;
      this.#isShown = true;
    }
    this.#advance(frame.pos);
    if (frame.type === "snapshot") {
      this.rows?.page(frame);
      this.#notify("rows");
    } else if (frame.type === "db_change") {
      this.rows?.change(frame);
      this.#notify("frame", frame);
      if (this.rows) this.#notify("rows");
    } else if (frame.type !== "commit" && !isPresence) {
      if (frame.stream !== undefined) this.answers.received(frame);
      this.#notify("frame", frame);
    }
    if (frame.pos !== undefined) this.answers.settled();
  }

  /** A frame of this topic came that cannot be read; `pos` is its position, if that is known. */
  unreadable(pos) {
    this.#advance(pos);
  }

  #advance(pos) {
    if (this.#isHeard && pos !== undefined && !this.#isFilling) this.#pos = pos;
  }

  #subscribed({ pos, recovered, keptOnly, gap, sync }) {
    // A daemon that has lost what comes next answers again, without being asked.
    const unasked = this.#subscribing.request !== "subscribe" && this.#confirmed;
    const confirmed = this.#subscribing.confirmed();
    if (confirmed === null) return;
    const again = this.#confirmed;
    // On the same connection nothing is missed between two subscriptions. A first snapshot that was
    // cut off has shown nothing yet that a gap would make wrong.
    const isWhole = !unasked && (this.#isHeard || !this.#isShown);
    this.#confirmed = this.#isHeard = true;
    this.error = null;
    this.feed = "up";
    this.recovery = again ? { recovered: recovered === true, keptOnly: keptOnly === true } : null;
    this.#isFilling = this.rows !== null && recovered !== true;
    this.#pos = this.#isFilling ? undefined : pos;
    this.answers.subscribed(recovered === true && keptOnly !== true);
    if (pos !== undefined) this.answers.settled();
    confirmed.since = true;
    if (this.#isFilling) this.rows.begin();
    else this.#asksForTable = 0;
    if (sync === true) this.presence.begin();
    // An older daemon sends no set where the topic has no members.
    else if (this.presence.clear()) this.#notifyPresence();
    if (!this.#isFilling) this.#isShown = true;
    this.#setState("subscribed");
    if (again && recovered !== true && !isWhole) this.#notifyGap(gap?.reason ?? "unknown");
  }

  #unsubscribed() {
    const { wasAsked, isMissing } = this.#subscribing.ended();
    if (!wasAsked) this.#isHeard = false;
    if (isMissing) {
      // The error before this frame said why, and whether to ask again.
      this.#subscribing.isRefused = this.#timer === undefined;
      this.#setState(this.#subscribing.isRefused ? "refused" : "subscribing");
    }
    this.#host.touch(this);
  }

  // Tables

  #status({ feed, table, events, message }) {
    if (events === "lost") {
      this.#notifyGap("events", false);
    } else if (table === "back" || table === "altered") {
      this.#endPause();
      this.#notifyGap(table);
      this.#reload();
    } else if (feed !== undefined) {
      this.feed = feed;
      this.#notify("feed", feed, message);
    }
  }

  /** Ask for the rows again. Until they come, the frames of before still count. */
  #reload() {
    if (this.rows !== null && this.#subscribing.isWanted) this.#beginAgain();
  }

  /** Subscribe anew, without a position. */
  #beginAgain() {
    this.#subscribing.beginAgain();
    this.#host.touch(this);
  }

  // Answers

  #forgetAnswers() {
    const answers = new Answers(this.name, {
      changed: () => this.answers === answers && this.#notify("answers", answers.list),
      // Without `since` it is on its way already.
      again: () => this.#subscribing.goesOn && this.#beginAgain(),
      cancel: (stream) => this.#host.cancel(this.name, stream),
      read: (stream) => this.#host.readStream(stream),
    });
    this.answers = answers;
  }

  // Presence

  #presenceEvent(frame) {
    if (this.presence.received(frame)) this.#notifyPresence();
    if (this.#isHeard && frame.data.page === undefined) this.#notify("frame", frame);
  }

  #synced({ topic, timestamp }) {
    const members = [...this.presence.members.values()];
    const data = { members };
    const frame = { type: "event", topic, event: "presence:sync", data, timestamp };
    this.#notifyPresence();
    if (this.#isHeard) this.#notify("frame", frame);
  }

  #notifyPresence() {
    const all = new Set([...this.channels, ...this.#tracking.channels]);
    for (const channel of all) channel._notify("presence", this.presence.members);
  }

  // Tools

  #sendLater(delay) {
    this.#endPause();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#host.touch(this);
    }, delay);
  }

  #endPause() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#notify("state", state);
  }

  #notifyGap(reason, reloads = this.rows !== null) {
    this.#notify("gap", { topic: this.name, reason, reloads });
  }

  #notify(what, ...args) {
    for (const channel of [...this.channels]) channel._notify(what, ...args);
  }
}
