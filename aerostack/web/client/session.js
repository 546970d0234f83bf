/**
 * What the client sends over its connection: subscriptions, publications and presence, and all of
 * them again on each later connection.
 */

import { makeSecret } from "./address.js";
import { Callbacks } from "./callbacks.js";
import { Channels } from "./channels.js";
import { Connection } from "./connection.js";
import { RealtimeError } from "./errors.js";
import { HttpClient } from "./http.js";
import { Outbox } from "./outbox.js";
import { EventSocket } from "./eventsocket.js";
import { encode } from "./outgoing.js";
import { Pacer } from "./pacing.js";
import { encodeOptions, keyOf, nameView } from "./selection.js";
import { Topic } from "./topic.js";

const PUBLICATIONS = new Set(["publish", "chat", "stream_cancel"]);
const ACKNOWLEDGEMENTS = new Set(["ack", "stream_ack"]);
// The daemon's errors for a frame that it cannot read.
const UNREADABLE = new Set(["invalid_json", "invalid_frame", "too_deep", "too_large"]);

/** Sends the daemon what the application wants, and sends it again on each new connection. */
export class Session {
  address;
  /** The channels that `client.channel()` gives again. */
  channels = new Channels();
  /** The application's callbacks. */
  callbacks = {
    status: new Callbacks(),
    error: new Callbacks(),
    maxRetries: new Callbacks(),
    tokenExpired: new Callbacks(),
    transport: new Callbacks(),
  };
  /** @type {import("./interfaces.js").SessionHost} */
  host;
  #http;
  #connection;
  #pacer;
  #outbox;
  // The topics that are in use, or that the daemon has yet to leave, by name; and further
  // subscriptions to tables, by `keyOf`.
  #topics = new Map();
  // The further subscriptions by the name of the topic.
  #views = new Map();
  #ids = { prefix: makeSecret(9), count: 0 };
  #tokenGiven = null;
  // Whether this daemon says in each error which frame it refuses.
  #isExact = false;
  // The token that the present connection was opened with.
  #tokenUsed;
  // Sends the present token when that is due.
  #auth = { isDue: false, next: () => this.#nextAuth(), refused: (error) => this.report(error) };

  /**
   * @param {import("./address.js").Address} address
   * @param {import("./interfaces.js").Settings} settings
   * @param {{ WebSocket?: any, fetch?: any }} own  What the application brings of its own.
   */
  constructor(address, settings, own) {
    this.address = address;
    const report = (error) => this.report(error);
    this.#http = new HttpClient(
      address.baseUrl,
      own.fetch,
      settings.connectTimeout,
      () => address.headers,
    );
    this.#connection = new Connection(
      {
        WebSocket: own.WebSocket,
        report,
        baseUrl: address.baseUrl,
        url: () => address.url,
        protocols: () => this.#protocols(),
        openEvents: () => this.#openEvents(own.fetch),
        transportChanged: (transport) => this.callbacks.transport.call(report, transport),
        diagnose: () => this.#diagnose(),
        renew: (error) => this.#renew(error),
        opened: () => this.#opened(),
        closed: () => this.#closed(),
        received: (frame) => this.#received(frame),
        unreadable: (topic, pos, view) => this.#topics.get(keyOf(topic, view))?.unreadable(pos),
        tooLarge: (limit, why) => this.#tooLarge(limit, why),
        stopped: (error) => this.#outbox.fail(error),
        gaveUp: () => this.callbacks.maxRetries.call(report),
        statusChanged: (...what) => this.callbacks.status.call(report, ...what),
      },
      settings,
    );
    this.#pacer = new Pacer(this.#connection);
    this.host = {
      report,
      touch: (sender) => this.#touch(sender),
      ping: (answered) => this.#connection.ping(answered),
      activate: (name, options) => this.#activate(name, options),
      siblings: (name) => this.#siblings(name),
      present: (name) => this.#topics.get(name)?.present ?? [],
      release: (topic, channel) => this.#release(topic, channel),
      keep: (channel) => this.channels.keep(channel),
      publish: (topic, event, data, { persist, replaces, key, ifPos, ifNew } = {}) =>
        this.enter({ type: "publish", topic, event, data, persist, replaces, key, ifPos, ifNew }),
      cancel: (topic, stream) => this.enter({ type: "stream_cancel", topic, stream }),
      getHistory: (...which) => this.#http.getHistory(this.address.projectId, ...which),
      readStream: (stream) => this.#http.readStream(stream, this.address.projectId),
    };
    this.#outbox = new Outbox(this.host, settings.maxQueue);
  }

  // From the application

  get status() {
    return this.#connection.status;
  }

  get transport() {
    return this.#connection.transport;
  }

  connect() {
    return this.#connection.connect();
  }

  disconnect() {
    this.#connection.disconnect();
  }

  /** Use another token from now on. */
  setToken(token) {
    // Throws for a token that no frame can carry.
    if (token) encode(token);
    this.address.token = token;
    if (!token) return;
    this.#tokenGiven?.(true);
    if (this.#connection.isOpen) this.#authenticate();
    else this.#connection.renewed();
  }

  /**
   * Put a frame into the outbox, which sends it until the daemon has acknowledged it.
   *
   * @param {{ type: string, [name: string]: any }} frame
   * @returns {Promise<void>}
   */
  enter({ type, ...fields }) {
    this.#ids.count += 1;
    const frame = { type, id: `${this.#ids.prefix}-${this.#ids.count}`, ...fields };
    if (this.status === "idle") this.connect();
    if (this.#connection.isWanted) return this.#outbox.add(frame);
    return this.#outbox.refuse(
      new RealtimeError("disconnected", "Nothing was sent: call connect() first."),
    );
  }

  /** Report an error to the application; on the console, if it has no callback for errors. */
  report(error) {
    if (this.callbacks.error.size) {
      this.callbacks.error.call((inner) => console.error(inner), error);
    } else {
      console.error(`aerostack: ${error.code}: ${error.message}`, error.cause ?? "");
    }
  }

  // The connection

  #protocols() {
    this.#tokenUsed = this.address.token;
    return this.address.protocols;
  }

  /** Begin to open a connection over server-sent events. */
  #openEvents(fetch) {
    const { url, sseHeaders } = this.address;
    const usual = (where, init) => globalThis.fetch(where, init);
    return new EventSocket(fetch ?? usual, url.replace("ws", "http"), sseHeaders);
  }

  /** Find why a WebSocket did not open, which a browser does not say. */
  async #diagnose() {
    try {
      await this.#http.checkOpening(this.address.query);
    } catch (error) {
      // An older daemon does not answer this question.
      if (error.code !== "not_found") return error;
    }
    return new RealtimeError(
      "refused",
      `${this.address.baseUrl} did not open a WebSocket, although the daemon lets the client in.` +
        " Something in between may let no WebSocket pass.",
    );
  }

  #opened() {
    this.#auth.isDue = Boolean(this.address.token) && this.address.token !== this.#tokenUsed;
    const topics = [...this.#topics.values()];
    const first = topics.filter(({ isTracking }) => isTracking);
    this.#pacer.opened([this.#auth, ...first, ...topics, this.#outbox]);
  }

  #closed() {
    this.#pacer.closed();
    this.#auth.isDue = this.#isExact = false;
    this.#outbox.closed();
    for (const topic of this.#topics.values()) {
      topic.closed();
      this.#release(topic);
    }
  }

  #tooLarge(limit, why) {
    const isPublication = this.#outbox.tooLarge(limit, why);
    return this.#pacer.tooLarge(limit) || isPublication;
  }

  // Frames

  #touch(sender) {
    if (this.#connection.isOpen) this.#pacer.add(sender);
    if (sender instanceof Topic) this.#release(sender);
  }

  #received(frame) {
    // A daemon that sends either of these fields says in each error which frame it refuses.
    if (frame.sync === true || frame.request !== undefined) this.#isExact = true;
    if (ACKNOWLEDGEMENTS.has(frame.type)) this.#outbox.settle(frame.id);
    else if (frame.type === "error") this.#refused(frame);
    else this.#topics.get(keyOf(frame.topic, frame.view))?.received(frame);
  }

  /** The daemon has refused a frame, whose type is `request`, or has ended something. */
  #refused({ code, message, request, ...details }) {
    const error = new RealtimeError(code, message, details);
    const topic = this.#topics.get(keyOf(error.topic, details.view));
    const isTooFast = code === "rate_limited";
    if (isTooFast) {
      const isOutbox = error.id !== undefined;
      this.#pacer.tooFast(isOutbox ? this.#outbox : topic, error.retryAfter);
    }
    if (this.#outbox.settle(error.id, error)) return;
    if (request === "auth" && error.retryAfter !== undefined) {
      this.#authenticate();
    } else if (isTooFast && [request, error.id, error.topic].every((it) => it === undefined)) {
      // An older daemon does not say what it refuses. Of the client's frames only a ping has neither
      // an id nor a topic.
      this.#connection.pingRefused();
    } else if (request === "ping") {
      this.#connection.pingRefused();
    } else if (topic !== undefined && error.id === undefined && !PUBLICATIONS.has(request)) {
      topic.refused(error, request ?? (this.#isExact ? null : undefined));
    } else if (error.id !== undefined || isTooFast || !this.#mayBePublication(error, request)) {
      this.report(error);
    }
  }

  /** Whether an error without an id may be about a publication. The outbox then looks for it. */
  #mayBePublication(error, request) {
    const isMeant = PUBLICATIONS.has(request) || (!request && UNREADABLE.has(error.code));
    return isMeant && this.#outbox.doubt(error);
  }

  // Tokens

  /** Send the present token over the present connection. */
  #authenticate() {
    this.#auth.isDue = true;
    this.#pacer.addFirst(this.#auth);
  }

  #nextAuth() {
    if (!this.#auth.isDue) return null;
    this.#auth.isDue = false;
    for (const topic of this.#topics.values()) topic.tokenChanged();
    return encode({ type: "auth", token: this.address.token });
  }

  async #renew(error) {
    const before = this.address.token;
    // The application has set a token that no connection was opened with yet.
    if (before && before !== this.#tokenUsed) return true;
    const given = new Promise((resolve) => (this.#tokenGiven = resolve));
    const asked = async () => {
      for (const callback of this.callbacks.tokenExpired) {
        const token = await callback(error);
        if (typeof token === "string" && token) this.address.token = token;
      }
      return this.address.token !== before;
    };
    try {
      // A callback may never answer, while other code calls `setToken`.
      return await Promise.race([asked(), given]);
    } finally {
      this.#tokenGiven = null;
    }
  }

  // Topics

  /**
   * Take a topic into use.
   *
   * @param {string} name
   * @param {Record<string, any>} [options]  Those of a channel that subscribes.
   */
  #activate(name, options) {
    const first = this.#topics.get(name) ?? new Topic(this.host, name);
    this.#topics.set(name, first);
    const topic = options ? this.#choose(first, options) : first;
    if (this.status === "idle") this.connect();
    return topic;
  }

  /** Find a subscription for a channel; of a table there may be several. */
  #choose(first, options) {
    const { name } = first;
    const found = this.#siblings(name).find((topic) => topic.suits(options));
    if (found !== undefined || !first.channels.size || !name.startsWith("table/")) {
      return found ?? first;
    }
    // Options that differ in what only the client knows have the same text.
    const text = nameView(encodeOptions(options));
    for (let count = 1; ; count += 1) {
      const view = count === 1 ? text : `${text}-${count}`;
      const known = this.#topics.get(keyOf(name, view));
      if (known !== undefined && known.channels.size) continue;
      const topic = known ?? new Topic(this.host, name, view, first.presence);
      this.#topics.set(topic.key, topic);
      if (known === undefined) this.#views.set(name, [...(this.#views.get(name) ?? []), topic]);
      return topic;
    }
  }

  /** The subscriptions of a topic: the one without a name, and the views. */
  #siblings(name) {
    const first = this.#topics.get(name);
    return [...(first ? [first] : []), ...(this.#views.get(name) ?? [])];
  }

  #release(topic, channel = null) {
    if (topic.isIdle && this.#topics.get(topic.key) === topic) {
      if (topic.view) this.#releaseView(topic);
      // The first has the members, for the views too.
      else if (!this.#views.has(topic.name)) this.#topics.delete(topic.key);
    }
    if (channel) this.channels.remove(channel);
  }

  #releaseView(topic) {
    this.#topics.delete(topic.key);
    const left = this.#views.get(topic.name).filter((view) => view !== topic);
    if (left.length) {
      this.#views.set(topic.name, left);
      return;
    }
    this.#views.delete(topic.name);
    this.#release(this.#topics.get(topic.name));
  }
}
