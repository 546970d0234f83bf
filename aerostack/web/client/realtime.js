/**
 * The client of aerostack-rt, for browsers and for Node.js 20 and later.
 *
 *     const realtime = new RealtimeClient({ baseUrl: "http://127.0.0.1:8787", projectId: "p" });
 *     realtime.channel("orders").on("INSERT", ({ data }) => console.log(data)).subscribe();
 *
 * One WebSocket carries every topic; it comes back whatever happens, and goes on where it was.
 * What each option and method means stands in realtime.d.ts.  The files behind this one:
 * `link.js` is the WebSocket and its life, `outbox.js` keeps what was published until it is
 * acknowledged, `channel.js` has the topics, and `collections.js` what their frames add up to.
 */

import { RealtimeSubscription, Topic } from "./channel.js";
import { Listeners, RealtimeError } from "./common.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";

export { RealtimeError, RealtimeSubscription };

const DEFAULTS = {
  maxReconnectAttempts: Infinity,
  reconnectDelay: 1000,
  maxReconnectDelay: 30_000,
  connectTimeout: 10_000,
  pingInterval: 25_000,
  pongTimeout: 10_000,
  maxQueue: 1000,
};

/** The HTTP address that a client is to use, without a slash at its end. */
function readBaseUrl(given) {
  const text = given ?? globalThis.location?.origin;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^(http|ws)s?:$/.test(url.protocol)) {
    throw new RealtimeError(
      "invalid_url",
      `baseUrl must be a daemon's address, such as "http://127.0.0.1:8787", not ${text}.`,
    );
  }
  const path = url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "");
  return `${url.protocol.replace("ws", "http")}//${url.host}${path}`;
}

/** A connection to a daemon, and everything that an application does over it. */
export class RealtimeClient {
  #baseUrl;
  #projectId;
  #apiKey;
  #token;
  #userId;
  #fetch;
  #timeout;
  #link;
  #outbox;
  #host;
  // Those that are subscribed to or tracked on, by name.
  #topics = new Map();
  // What `channel()` gives again, by name.
  #shared = new Map();
  // Topics that are being left, and how often: what still comes of them was meant for others.
  #leaving = new Map();
  #ids = { prefix: Math.random().toString(36).slice(2), count: 0 };
  #tokenGiven = null;
  #listeners = {
    status: new Listeners(),
    error: new Listeners(),
    maxRetries: new Listeners(),
    tokenExpired: new Listeners(),
  };

  constructor(options = {}) {
    this.#baseUrl = readBaseUrl(options.baseUrl ?? options.serverUrl);
    this.#projectId = options.projectId;
    if (typeof this.#projectId !== "string" || !this.#projectId) {
      throw new RealtimeError("no_project", "projectId is missing: it names the daemon's project.");
    }
    this.#apiKey = options.apiKey;
    this.#token = options.token;
    this.#userId = options.userId;
    this.#fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
    if (options.onError) this.onError(options.onError);
    if (options.onTokenExpired) this.onTokenExpired(options.onTokenExpired);
    const settings = Object.fromEntries(
      Object.entries(DEFAULTS).map(([name, value]) => [name, options[name] ?? value]),
    );
    this.#timeout = settings.connectTimeout;
    const report = (error) => this.#report(error);
    this.#link = new Link(
      {
        WebSocket: options.WebSocket,
        report,
        url: () => this.#socketUrl(),
        protocols: () => this.#protocols(),
        diagnose: () => this.#diagnose(),
        renew: (error) => this.#renew(error),
        opened: () => this.#opened(),
        closed: () => this.#closed(),
        received: (frame) => this.#received(frame),
        stopped: (error) => this.#outbox.rejectAll(error),
        gaveUp: () => this.#listeners.maxRetries.tell(report),
        statusChanged: (...what) => this.#listeners.status.tell(report, ...what),
      },
      settings,
    );
    this.#outbox = new Outbox((text) => this.#link.send(text), report, settings.maxQueue);
    this.#host = {
      report,
      send: (frame) => this.#link.send(frame),
      leave: (name) => this.#leave(name),
      activate: (topic, tracks) => this.#activate(topic, tracks),
      release: (topic, channel) => this.#release(topic, channel),
      publish: (...what) => this.#publish(...what),
      getHistory: (...which) => this.#getHistory(...which),
    };
  }

  get status() {
    return this.#link.status;
  }

  get connected() {
    return this.status === "connected";
  }

  get projectId() {
    return this.#projectId;
  }

  connect() {
    return this.#link.connect();
  }

  disconnect() {
    this.#link.disconnect();
  }

  setToken(token) {
    this.#token = token;
    if (!token) return;
    this.#tokenGiven?.(true);
    if (this.#link.send({ type: "auth", token })) {
      // What the old one was not allowed, the new one may be.
      for (const topic of this.#topics.values()) if (topic.state === "refused") topic.sync();
    } else {
      this.#link.renewed();
    }
  }

  onStatusChange(callback) {
    return this.#listeners.status.add(callback);
  }

  onMaxRetriesExceeded(callback) {
    return this.#listeners.maxRetries.add(callback);
  }

  onError(callback) {
    return this.#listeners.error.add(callback);
  }

  onTokenExpired(callback) {
    return this.#listeners.tokenExpired.add(callback);
  }

  channel(topic, { shared = true, ...options } = {}) {
    const name = this.#qualify(topic);
    if (!shared) return new RealtimeSubscription(this.#host, new Topic(this.#host, name, options));
    const known = this.#shared.get(name);
    if (known === undefined) {
      const made = new RealtimeSubscription(this.#host, new Topic(this.#host, name, options));
      this.#shared.set(name, made);
      return made;
    }
    // Who asks without options wants the one that there is.
    if (Object.keys(options).length) known._want(options);
    return known;
  }

  chatRoom(roomId) {
    return this.channel(`chat/${roomId}`);
  }

  sendChat(roomId, text, metadata) {
    return this.#give({ type: "chat", roomId, text, metadata, id: this.#nextId() });
  }

  // Names and addresses

  #qualify(topic) {
    if (typeof topic !== "string" || !topic) {
      throw new RealtimeError("invalid_topic", "A topic is a text that is not empty.");
    }
    if (topic.endsWith(`/${this.#projectId}`)) return topic;
    return `${topic.includes("/") ? topic : `table/${topic}`}/${this.#projectId}`;
  }

  #socketUrl() {
    const query = new URLSearchParams({ projectId: this.#projectId });
    if (this.#userId) query.set("userId", this.#userId);
    return `${this.#baseUrl.replace("http", "ws")}/api/realtime?${query}`;
  }

  /** Credentials travel as subprotocols, because URLs end up in logs. */
  #protocols() {
    const offered = [];
    if (this.#apiKey) offered.push(`aerostack-key.${this.#apiKey}`);
    if (this.#token) offered.push(`aerostack-token.${this.#token}`);
    return offered.length ? [...offered, "aerostack-v1"] : [];
  }

  // HTTP

  async #ask(path, query) {
    const headers = {};
    if (this.#apiKey) headers["X-Aerostack-Key"] = this.#apiKey;
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    const signal = AbortSignal.timeout(this.#timeout);
    let response;
    try {
      const url = `${this.#baseUrl}${path}?${new URLSearchParams(query)}`;
      response = await this.#fetch(url, { headers, signal });
    } catch (cause) {
      const page = globalThis.location?.origin;
      const hint = page ? `, or does not let pages of ${page} in (projects.<id>.origins)` : "";
      throw new RealtimeError(
        "unreachable",
        `${this.#baseUrl} cannot be reached: it does not answer${hint}.`,
        { cause },
      );
    }
    const body = await response.json().catch(() => null);
    if (response.ok && body !== null) return body;
    if (typeof body?.error !== "string") {
      throw new RealtimeError(
        "wrong_server",
        `What answers at ${this.#baseUrl} is no aerostack-rt daemon (HTTP ${response.status}).`,
      );
    }
    throw new RealtimeError(body.error, body.message, { retryAfter: body.retryAfter });
  }

  async #getHistory(room, limit = 50, before) {
    const query = before == null ? { room, limit } : { room, limit, before };
    const { messages } = await this.#ask("/api/v1/public/realtime/history", query);
    return messages ?? [];
  }

  /** Why a WebSocket did not open, which a browser does not say. */
  async #diagnose() {
    try {
      // No topic's name: who may come in is told so, and nothing is looked up.
      await this.#getHistory(`?/${this.#projectId}`, 1);
    } catch (error) {
      if (error.code !== "invalid_topic") return error;
    }
    return new RealtimeError(
      "refused",
      `${this.#socketUrl()} did not open, although the credentials are good. The daemon may be` +
        " too busy, or something in between lets no WebSocket pass.",
    );
  }

  // The connection

  #opened() {
    for (const topic of this.#topics.values()) topic.sync();
    this.#outbox.pump();
  }

  #closed() {
    this.#leaving.clear();
    this.#outbox.rewind();
    for (const topic of this.#topics.values()) topic.closed();
  }

  #received(frame) {
    switch (frame.type) {
      case "pong":
        return;
      case "ack":
        this.#outbox.settle(frame.id);
        return;
      case "error":
        this.#failed(frame);
        return;
    }
    if (typeof frame.topic !== "string") throw new TypeError("it has no topic");
    const leaves = this.#leaving.get(frame.topic);
    if (leaves === undefined) {
      this.#topics.get(frame.topic)?.receive(frame);
    } else if (frame.type === "unsubscribed") {
      if (leaves > 1) this.#leaving.set(frame.topic, leaves - 1);
      else this.#leaving.delete(frame.topic);
    }
  }

  #failed({ code, message, ...details }) {
    const error = new RealtimeError(code, message, details);
    if (this.#outbox.settle(error.id, error)) return;
    const topic = this.#topics.get(error.topic);
    if (this.#leaving.has(error.topic)) this.#leaveLater(error);
    else if (topic !== undefined) topic.refused(error);
    else this.#report(error);
  }

  async #renew(error) {
    const before = this.#token;
    const given = new Promise((resolve) => (this.#tokenGiven = resolve));
    const asked = async () => {
      for (const callback of this.#listeners.tokenExpired) {
        const token = await callback(error);
        if (typeof token === "string" && token) this.#token = token;
      }
      return this.#token !== before;
    };
    try {
      // Whoever is asked may never answer, and somebody else call `setToken`.
      return await Promise.race([asked(), given]);
    } finally {
      this.#tokenGiven = null;
    }
  }

  /** Tell of an error; where nobody listens, on the console. */
  #report(error) {
    if (this.#listeners.error.size) {
      this.#listeners.error.tell((inner) => console.error(inner), error);
    } else {
      console.error(`aerostack: ${error.code}: ${error.message}`, error.cause ?? "");
    }
  }

  // Channels

  /** Take a topic into use; where it already is, that one. */
  #activate(topic, tracks = false) {
    const known = this.#topics.get(topic.name) ?? topic;
    if (known !== topic && !tracks) known.want(topic.options);
    this.#topics.set(topic.name, known);
    if (this.status === "idle") this.connect();
    return known;
  }

  #release(topic, channel) {
    if (!topic.isActive) this.#topics.delete(topic.name);
    if (channel && this.#shared.get(topic.name) === channel) this.#shared.delete(topic.name);
  }

  #leave(name) {
    if (this.#sendLeave(name)) this.#leaving.set(name, (this.#leaving.get(name) ?? 0) + 1);
  }

  #sendLeave(name) {
    return this.#link.send({ type: "unsubscribe", topic: name });
  }

  /** What came too fast for the daemon was not done. */
  #leaveLater({ topic, retryAfter }) {
    if (retryAfter === undefined) return;
    setTimeout(() => {
      if (this.#leaving.has(topic)) this.#sendLeave(topic);
    }, retryAfter);
  }

  #publish(topic, event, data, persist) {
    return this.#give({ type: "publish", topic, event, data, persist, id: this.#nextId() });
  }

  #nextId() {
    this.#ids.count += 1;
    return `${this.#ids.prefix}-${this.#ids.count}`;
  }

  #give(frame) {
    if (this.status === "idle") this.connect();
    if (this.#link.isWanted) return this.#outbox.add(frame);
    return this.#outbox.refuse(
      new RealtimeError("disconnected", "Nothing was sent: call connect() first."),
    );
  }
}
