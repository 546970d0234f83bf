/**
 * A topic: what the application wants of it, what the daemon was asked, and what it has answered.
 */

import { Presence, Rows } from "./collections.js";
import { RealtimeError, encode } from "./common.js";

// Pauses before the rows of a table that is not there are asked for again, in milliseconds.
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
const NO_TABLE = new Set(["unknown_table", "untrackable_table", "table_lost"]);

/** Whether a subscription gives what another channel wants of the topic. */
function covers(present, wanted) {
  const same = (...looks) => looks.every((look) => look(present) === look(wanted));
  return (
    same(({ filter }) => JSON.stringify(filter ?? {})) &&
    // One that wants no rows is not disturbed by them.
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
 *
 * It asks one thing at a time about its subscription, so that it is clear what an answer answers.
 * `next` gives the frame that is to be sent now.  The topic calls the host's `hasToSay` when there
 * may be one.
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
  #options = {};
  #host;
  // The JSON of how each channel wants to be present; the one that was set last counts.
  #states = new Map();
  // Three subscriptions: the one that the application wants, the one that the daemon was asked for
  // and has not answered, and the one that it has confirmed on the present connection.
  #wanted = null;
  #asked = null;
  #held = null;
  #isLeaving = false;
  // Whether what comes is for the channels that are here now.
  #hears = false;
  // The state that the present connection was told: `null` for none, `undefined` if it is unsure.
  #told = null;
  // Whether the present connection was told anything of presence.
  #spoke = false;
  #pos;
  // Whether rows are to come yet: until the last of them there is no position to resume from.
  #isFilling = false;
  #confirmed = false;
  // Whether something was shown that a gap would make wrong.
  #isShown = false;
  #refused = false;
  #timer;
  #pause = FIRST_PAUSE;

  constructor(host, name) {
    this.#host = host;
    this.name = name;
  }

  /** Whether it may be forgotten. */
  get isIdle() {
    const isAsked = this.#asked !== null || this.#held !== null || this.#isLeaving;
    return !this.channels.size && !this.#states.size && !isAsked && this.#told === null;
  }

  get isTracking() {
    return this.#states.size > 0;
  }

  // From the application

  /** Make sure that a channel with these options can be here. */
  check(options) {
    if (!this.channels.size || covers(this.#options, options)) return;
    throw new RealtimeError(
      "conflict",
      `${this.name} is subscribed with other options. A connection has one subscription to a` +
        " topic: unsubscribe first, or use a second RealtimeClient.",
      { topic: this.name },
    );
  }

  attach(channel, options) {
    this.check(options);
    if (!this.channels.size) {
      const { filter, snapshot, order, limit } = options;
      const wanted = { text: encode({ filter, snapshot, order, limit }).slice(1, -1), since: true };
      this.#options = options;
      this.rows = snapshot ? new Rows(options.key ?? "id", this.#host.report) : null;
      this.#wanted = wanted;
      this.#pos = undefined;
      this.#hears = this.#confirmed = this.#isShown = this.#refused = false;
      this.error = this.recovery = null;
      this.feed = "up";
      this.#setState("subscribing");
    }
    this.channels.add(channel);
    this.#host.hasToSay(this);
  }

  detach(channel) {
    this.channels.delete(channel);
    if (this.channels.size) return;
    this.#endPause();
    this.state = "idle";
    this.#wanted = null;
    this.#hears = false;
    this.presence.clear();
    this.#host.hasToSay(this);
  }

  /** Be present as this JSON says. */
  track(channel, state) {
    this.#states.delete(channel);
    this.#states.set(channel, state);
    this.#host.hasToSay(this);
  }

  untrack(channel) {
    if (this.#states.delete(channel)) this.#host.hasToSay(this);
  }

  tracks(channel) {
    return this.#states.has(channel);
  }

  // To the daemon

  /** What is to be said now, as JSON; `null` if it is nothing. */
  next() {
    // It was asked to come later.
    if (this.#timer !== undefined) return null;
    // The daemon keeps one's place for a while only.
    if (!this.#spoke && this.isTracking) return this.#nextPresence();
    return this.#nextSubscription() ?? this.#nextPresence();
  }

  #nextSubscription() {
    if (this.#asked !== null || this.#isLeaving || this.#held === this.#wanted) return null;
    const topic = JSON.stringify(this.name);
    if (this.#wanted === null || this.#refused) {
      if (this.#held === null) return null;
      this.#isLeaving = true;
      return `{"type":"unsubscribe","topic":${topic}}`;
    }
    this.#asked = this.#wanted;
    const { text, since } = this.#asked;
    const more = text && `,${text}`;
    const from = since && this.#pos !== undefined ? `,"since":${JSON.stringify(this.#pos)}` : "";
    return `{"type":"subscribe","topic":${topic},"sync":true${more}${from}}`;
  }

  #nextPresence() {
    const state = [...this.#states.values()].at(-1) ?? null;
    if (state === this.#told) return null;
    const isNew = typeof this.#told !== "string";
    this.#told = state;
    this.#spoke = true;
    const topic = JSON.stringify(this.name);
    if (state === null) return `{"type":"untrack","topic":${topic}}`;
    return `{"type":"track","topic":${topic}${isNew ? ',"sync":true' : ""},"state":${state}}`;
  }

  // From the connection

  /** The token is another one: what was refused may be allowed now, and one may be another user. */
  judgeAgain() {
    if (this.#refused) {
      this.#refused = false;
      this.#setState("subscribing");
    }
    if (this.#told !== null) this.#told = undefined;
    this.#host.hasToSay(this);
  }

  closed() {
    this.#endPause();
    this.#asked = this.#held = this.#told = null;
    this.#isLeaving = this.#hears = this.#refused = this.#spoke = false;
    this.presence.cutOff();
    if (this.channels.size) this.#setState("subscribing");
  }

  /**
   * The daemon has sent an error.  `request` is the type of the frame that it refuses, or `null` where
   * it refuses no frame.  An older daemon does not say: then it is `undefined`.
   */
  refused(error, request) {
    const asked = this.#asked ? "subscribe" : this.#isLeaving ? "unsubscribe" : "";
    const about = (request === undefined ? asked : request) ?? "";
    if (error.code === "table_lost" && !request) {
      this.error = error;
      this.#tellGap(error.code);
      this.#reload();
    } else if (error.code === "rate_limited") {
      // Nothing was acted on.
      if (about === "subscribe") this.#asked = null;
      if (about === "unsubscribe") this.#isLeaving = false;
      // An older daemon does not say whether it was this.
      if ((about.endsWith("track") || !request) && this.#spoke) this.#told = undefined;
    } else if (error.retryAfter !== undefined || error.code === "view_changed") {
      if (about === "subscribe") this.#asked = null;
      if (about === "unsubscribe") this.#isLeaving = false;
      if (about === "track") this.#told = undefined;
      this.error = error;
      this.#sayLater(error.retryAfter ?? 0);
      this.#tell("state", this.state);
    } else if (about === "subscribe" && this.#asked !== null) {
      const isWanted = this.#asked === this.#wanted;
      this.#asked = null;
      if (isWanted && !this.#waitsForTable(error)) {
        this.error = error;
        this.#refused = true;
        this.#hears = false;
        this.#setState("refused");
        this.#host.report(error);
      }
    } else if (!this.#waitsForTable(error)) {
      if (about === "unsubscribe") this.#isLeaving = false;
      this.error = error;
      this.#host.report(error);
    }
    this.#host.hasToSay(this);
  }

  /** A table that was there may come back, and not every daemon tells: ask for it again. */
  #waitsForTable(error) {
    if (!this.#confirmed || !this.channels.size || !NO_TABLE.has(error.code)) return false;
    if (this.#pause === FIRST_PAUSE) this.#host.report(error);
    this.error = error;
    this.rows?.clear();
    this.#tell("rows");
    this.#sayLater(this.#pause);
    this.#reload();
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    return true;
  }

  receive(frame) {
    switch (frame.type) {
      case "subscribed":
        this.#subscribed(frame);
        this.#host.hasToSay(this);
        return;
      case "unsubscribed":
        this.#unsubscribed();
        return;
      case "synced":
        if (this.presence.end()) this.#synced(frame);
        return;
    }
    const isPresence = frame.type === "event" && frame.event.startsWith("presence:");
    if (isPresence) this.#takePresence(frame);
    if (!this.#hears) return;
    if (frame.type === "status") {
      this.#status(frame);
      return;
    }
    if (frame.type === "snapshot" && !frame.more) {
      this.#isFilling = false;
      this.#pause = FIRST_PAUSE;
      this.#isShown = true;
    }
    this.skip(frame.pos);
    if (frame.type === "snapshot") {
      this.rows?.page(frame);
      this.#tell("rows");
    } else if (frame.type === "db_change") {
      this.rows?.change(frame);
      this.#tell("frame", frame);
      if (this.rows) this.#tell("rows");
    } else if (frame.type !== "commit" && !isPresence) {
      this.#tell("frame", frame);
    }
  }

  /** Go on behind a frame, also one that cannot be read. */
  skip(pos) {
    if (this.#hears && pos !== undefined && !this.#isFilling) this.#pos = pos;
  }

  #subscribed({ pos, recovered, keptOnly, gap, sync }) {
    const asked = this.#asked ?? this.#wanted;
    this.#asked = null;
    this.#held = asked;
    if (asked === null || asked !== this.#wanted) return;
    this.#refused = false;
    const again = this.#confirmed;
    // On the same connection the new subscription follows the old one without a hole.  A first
    // snapshot that was cut off has shown nothing yet that a hole would make wrong.
    const isWhole = this.#hears || !this.#isShown;
    this.#confirmed = this.#hears = true;
    this.error = null;
    this.feed = "up";
    this.recovery = again ? { recovered: recovered === true, keptOnly: keptOnly === true } : null;
    this.#isFilling = this.rows !== null && recovered !== true;
    this.#pos = this.#isFilling ? undefined : pos;
    asked.since = true;
    if (this.#isFilling) this.rows.begin();
    else this.#pause = FIRST_PAUSE;
    if (sync === true) this.presence.begin();
    // An older daemon says nothing where no one is present.
    else if (this.presence.clear()) this.#tellPresence();
    if (!this.#isFilling) this.#isShown = true;
    this.#setState("subscribed");
    if (again && recovered !== true && !isWhole) this.#tellGap(gap?.reason ?? "unknown");
  }

  #unsubscribed() {
    const wasAsked = this.#isLeaving;
    const wasHeld = this.#held !== null && this.#held === this.#wanted;
    this.#isLeaving = false;
    this.#held = null;
    if (!wasAsked) this.#hears = false;
    if (!wasAsked && wasHeld && this.#asked === null) {
      // The error before it said why, and whether to try again.
      this.#refused = this.#timer === undefined;
      this.#setState(this.#refused ? "refused" : "subscribing");
    }
    this.#host.hasToSay(this);
  }

  // Tables

  #status({ feed, table, message }) {
    if (table === "back" || table === "altered") {
      this.#endPause();
      this.#tellGap(table);
      this.#reload();
    } else if (feed !== undefined) {
      this.feed = feed;
      this.#tell("feed", feed, message);
    }
  }

  /** Ask for the rows anew.  What comes meanwhile is still told. */
  #reload() {
    if (this.rows === null || this.#wanted === null) return;
    this.#wanted = { text: this.#wanted.text, since: false };
    this.#host.hasToSay(this);
  }

  // Presence

  #takePresence(frame) {
    if (this.presence.take(frame)) this.#tellPresence();
    if (this.#hears && frame.data.page === undefined) this.#tell("frame", frame);
  }

  #synced({ topic, timestamp }) {
    const members = [...this.presence.members.values()];
    const data = { members };
    const frame = { type: "event", topic, event: "presence:sync", data, timestamp };
    this.#tellPresence();
    if (this.#hears) this.#tell("frame", frame);
  }

  #tellPresence() {
    const all = new Set([...this.channels, ...this.#states.keys()]);
    for (const channel of all) channel._tell("presence", this.presence.members);
  }

  // Tools

  #sayLater(delay) {
    this.#endPause();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#host.hasToSay(this);
    }, delay);
  }

  #endPause() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
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
