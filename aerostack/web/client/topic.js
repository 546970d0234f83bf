/**
 * A topic as the daemon knows it: one subscription and one presence, over whatever connection there
 * is.
 */

import { Answers } from "./answers.js";
import { backoff } from "./backoff.js";
import { RealtimeError } from "./errors.js";
import { Past } from "./past.js";
import { Pause } from "./pause.js";
import { Presence } from "./presence.js";
import { Rows } from "./rows.js";
import { covers, encodeOptions, keyOf, mayRewind } from "./selection.js";
import { SharedState } from "./sharedstate.js";
import { Subscribing } from "./subscribing.js";
import { Tracking } from "./tracking.js";

// While a table is missing, the client asks for it after pauses that double, in milliseconds. Half of
// a pause is random, so that many clients do not ask at once.
const FIRST_PAUSE = 2000;
const LONGEST_PAUSE = 60_000;
const NO_TABLE = new Set(["unknown_table", "untrackable_table", "table_lost"]);

/**
 * Keeps the daemon's idea of a topic the same as the application's, for all channels of the topic
 * that share a subscription. A table may have several: one without a name, and named views.
 *
 * `next` gives the frame to send; the topic calls the host's `touch` when there may be one.
 */
export class Topic {
  name;
  /** The name of the view; empty for the subscription without one. */
  view;
  channels = new Set();
  state = "idle";
  error = null;
  feed = "up";
  recovery = null;
  /** The members of the topic, the same for all of its subscriptions. */
  presence;
  rows = null;
  shared = new SharedState();
  /** @type {Answers} */
  answers;
  /** @type {Record<string, any>} */
  #options = {};
  #past = new Past(0);
  #host;
  #subscribing;
  #tracking;
  #pause = new Pause(() => this.#host.touch(this));
  // How often the client has asked for a table that is missing.
  #asksForTable = 0;

  /**
   * @param {import("./interfaces.js").SessionHost} host
   * @param {string} name  The whole name of the topic.
   * @param {string} view  The name of the view.
   * @param {Presence} presence
   */
  constructor(host, name, view = "", presence = new Presence(host, name)) {
    this.#host = host;
    this.name = name;
    this.view = view;
    this.presence = presence;
    this.#subscribing = new Subscribing(name, view);
    this.#tracking = new Tracking(name);
    this.#forgetAnswers();
  }

  /** Whether the session may forget it. */
  get isIdle() {
    return !this.channels.size && this.#subscribing.isIdle && this.#tracking.isIdle;
  }

  /** What the session knows it by. */
  get key() {
    return keyOf(this.name, this.view);
  }

  /** Whether the frames that come are for the present channels. */
  get isHeard() {
    return this.#subscribing.isHeard;
  }

  get isTracking() {
    return this.#tracking.isWanted;
  }

  /** The channels that are present. */
  get present() {
    return this.#tracking.channels;
  }

  // From the application

  /** Whether a channel with these options can share the subscription. */
  suits(options) {
    return this.channels.size > 0 && covers(this.#options, options);
  }

  /**
   * Throw if a channel with these options cannot share the subscription.
   *
   * @param {boolean} isNew  Whether the channel subscribes now.
   */
  check(options, isNew = false) {
    if (!this.channels.size || this.suits(options)) return;
    // All channels of the subscription get the frames from before; no callback may get them twice.
    const isQuiet = [...this.channels].every((channel) => channel._isQuiet);
    if (isNew && isQuiet && mayRewind(this.#options, options)) return;
    throw new RealtimeError(
      "conflict",
      `${this.name} is subscribed with other options: unsubscribe first, or use a second client.`,
      { topic: this.name },
    );
  }

  /** A channel subscribes. */
  attach(channel, options) {
    this.check(options, true);
    if (!this.channels.size) {
      const text = encodeOptions(options);
      this.#options = options;
      this.#past = new Past(options.rewind ?? 0);
      this.rows = options.snapshot ? new Rows(options, this.#host.report) : null;
      this.shared = new SharedState();
      this.#subscribing.want(text);
      this.#forgetAnswers();
      this.error = this.recovery = null;
      this.feed = "up";
      this.#setState("subscribing");
    } else if (!this.suits(options)) {
      this.#options = { ...this.#options, rewind: options.rewind };
      this.#past = new Past(options.rewind);
      this.#beginAgain(encodeOptions(this.#options));
    }
    this.channels.add(channel);
    const missed = this.#past.newest(options.rewind ?? 0);
    // Not before the application has the channel.
    if (missed.length) queueMicrotask(() => this.#catchUp(channel, missed));
    this.#host.touch(this);
  }

  /** Give a channel that came later the frames that the others began with. */
  #catchUp(channel, frames) {
    for (const frame of frames) if (this.channels.has(channel)) channel._notify("frame", frame);
  }

  /** A channel unsubscribes. */
  detach(channel) {
    this.channels.delete(channel);
    if (this.channels.size) return;
    this.#pause.end();
    this.state = "idle";
    this.#subscribing.leave();
    // The members come with any subscription of the topic.
    if (!this.#host.siblings(this.name).some(({ channels }) => channels.size)) this.presence.clear();
    this.#host.touch(this);
  }

  /** Ask again for a subscription that the daemon has refused. */
  askAgain() {
    if (this.state !== "refused") return;
    this.#pause.end();
    this.#asksForTable = 0;
    this.#subscribing.isRefused = false;
    this.#setState("subscribing");
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

  // To the daemon

  /** Take the next frame, as JSON; `null` when no frame waits. */
  next() {
    // The daemon asked to wait.
    if (this.#pause.isOn) return null;
    // Presence first: the daemon keeps the place of a client that is away for a short time only.
    if (!this.#tracking.spoke && this.isTracking) return this.#tracking.next();
    return this.#subscribing.next() ?? this.#tracking.next();
  }

  // From the connection

  /** The client has another token: it may have other rights now, and be another user. */
  tokenChanged() {
    this.askAgain();
    this.#tracking.tokenChanged();
    this.#host.touch(this);
  }

  /** The connection is closed. */
  closed() {
    this.#pause.end();
    this.#subscribing.closed();
    this.#tracking.closed();
    if (!this.view) this.presence.closed();
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
      this.#pause.begin(error.retryAfter ?? 0);
      this.#notify("state", this.state);
    } else if (about === "subscribe" && subscribing.request === about) {
      if (subscribing.refused() && !this.#waitsForTable(error)) {
        this.error = error;
        subscribing.giveUp();
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

  /** After an error for a table that is missing, ask again later: it may come, or come back. */
  #waitsForTable(error) {
    if (!this.channels.size || !NO_TABLE.has(error.code)) return false;
    if (this.#asksForTable === 0) this.#host.report(error);
    this.error = error;
    this.rows?.clear();
    this.#notify("rows");
    this.#pause.begin(backoff(this.#asksForTable, FIRST_PAUSE, LONGEST_PAUSE, 0.5));
    this.#asksForTable += 1;
    this.#reload();
    if (!this.isHeard) this.#setState("refused");
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
        this.presence.synced(frame);
        return;
    }
    const isPresence = frame.type === "event" && frame.event.startsWith("presence:");
    if (isPresence) this.presence.received(frame);
    if (!this.isHeard) return;
    if (frame.type === "status") return this.#status(frame);
    if (frame.type === "snapshot" && !frame.more) {
      this.#subscribing.filled();
      this.#asksForTable = 0;
    }
    this.#subscribing.advance(frame.pos);
    if (frame.type === "snapshot") {
      this.rows?.page(frame);
      this.#notify("rows");
    } else if (frame.type === "db_change") {
      this.rows?.change(frame);
      this.#notify("frame", frame);
      if (this.rows) this.#notify("rows");
      if (this.rows?.isShort && this.#subscribing.goesOn) this.#reload();
    } else if (frame.type !== "commit" && !isPresence) {
      const isShared = typeof frame.key === "string" && this.shared.received(frame);
      const fresh = frame.stream === undefined ? frame : this.answers.received(frame);
      if (fresh !== null) {
        this.#past.add(fresh);
        this.#notify("frame", fresh);
      }
      if (isShared) this.#notify("shared");
    }
    if (frame.pos !== undefined) this.answers.settled();
  }

  /** A frame of this topic came that cannot be read; `pos` is its position, if that is known. */
  unreadable(pos) {
    this.#subscribing.advance(pos);
  }

  #subscribed({ pos, recovered, keptOnly, gap, sync }) {
    const goesOn = recovered === true;
    const isFilling = this.rows !== null && !goesOn;
    const confirmed = this.#subscribing.confirmed(pos, isFilling);
    if (confirmed === null) return;
    this.recovery = confirmed.isFirst ? null : { recovered: goesOn, keptOnly: keptOnly === true };
    this.error = null;
    this.feed = "up";
    if (!goesOn) this.#past.clear();
    this.answers.subscribed(goesOn && keptOnly !== true);
    if (pos !== undefined) this.answers.settled();
    if (isFilling) this.rows.begin();
    else this.#asksForTable = 0;
    if (sync === true) this.presence.begin();
    // An older daemon sends no set where the topic has no members.
    else if (!this.view) this.presence.over();
    const isShared = this.shared.subscribed(goesOn, pos === undefined);
    this.#setState("subscribed");
    if (isShared) this.#notify("shared");
    if (!goesOn && !confirmed.isWhole) this.#notifyGap(gap?.reason ?? "unknown");
  }

  #unsubscribed() {
    if (this.#subscribing.ended()) {
      // The error before this frame said why, and whether to ask again.
      this.#subscribing.isRefused = !this.#pause.isOn;
      this.#setState(this.#subscribing.isRefused ? "refused" : "subscribing");
    }
    this.#host.touch(this);
  }

  // Tables

  #status({ feed, table, events, message }) {
    if (events === "lost") {
      this.#notifyGap("events", false);
    } else if (table === "back" || table === "altered") {
      this.#pause.end();
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

  /** Subscribe anew, without a position; with other options if there are any. */
  #beginAgain(text) {
    this.#subscribing.beginAgain(text);
    this.#host.touch(this);
  }

  // Answers

  #forgetAnswers() {
    const answers = new Answers(this.name, {
      changed: () => this.answers === answers && this.#notify("answers", answers.list),
      // Without `since` it is on its way already. The frames from before have come.
      again: () =>
        this.#subscribing.goesOn && this.#beginAgain(encodeOptions({ ...this.#options, rewind: 0 })),
      cancel: (stream) => this.#host.cancel(this.name, stream),
      read: (stream) => this.#host.readStream(stream),
    });
    this.answers = answers;
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#notify("state", state);
  }

  #notifyGap(reason, reloads = this.rows !== null || this.shared.isUsed) {
    this.#notify("gap", { topic: this.name, reason, reloads });
  }

  #notify(what, ...args) {
    for (const channel of [...this.channels]) channel._notify(what, ...args);
  }
}
