/**
 * The client of aerostack-rt, for browsers and for Node.js 20 and later.
 *
 *     const realtime = new RealtimeClient({ baseUrl: "http://127.0.0.1:8787", projectId: "p" });
 *     realtime.channel("orders").on("INSERT", ({ data }) => console.log(data)).subscribe();
 *
 * One WebSocket carries every topic; it comes back whatever happens, and goes on where it was.
 * What each option and method means stands in realtime.d.ts.  The files behind this one:
 * `connection.js` is the WebSocket and its life, and `liveness.js` sees whether it is dead; `frames.js` reads
 * what comes, and `pacing.js` paces what is said; `outbox.js` keeps what was published until it is
 * acknowledged; `topic.js` has the topics, `channel.js` what an application holds of them, and
 * `collections.js` what their frames add up to.
 */

import { RealtimeSubscription } from "./channel.js";
import { Listeners, RealtimeError, encode, makeSecret } from "./common.js";
import { Http } from "./http.js";
import { Link } from "./connection.js";
import { Outbox } from "./outbox.js";
import { Shelf } from "./channels.js";
import { Talk } from "./pacing.js";
import { Topic } from "./topic.js";

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

const LONGEST_TOPIC = 4096;
const PUBLICATIONS = new Set(["publish", "chat"]);
// What the daemon says of a frame that it cannot read.
const UNREADABLE = new Set(["invalid_json", "invalid_frame", "too_deep", "too_large"]);

/** A topic by its whole name, in whichever of its forms it is given. */
function qualify(topic, projectId) {
  if (topic.endsWith(`/${projectId}`)) return topic;
  return `${topic.includes("/") ? topic : `table/${topic}`}/${projectId}`;
}

/** The HTTP address that a client is to use, without a slash at its end. */
function readBaseUrl(given) {
  const text = given ?? globalThis.location?.origin;
  let url = null;
  try {
    url = new URL(text);
  } catch {
    // Told below, as what is no address of a daemon's.
  }
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
  // By this the daemon knows, when we come back, which connection was ours.
  #session = makeSecret(24);
  #http;
  #link;
  #talk;
  #outbox;
  #host;
  // Those that are in use, and those that are being left, by name.
  #topics = new Map();
  // What `channel()` gives again.
  #shelf = new Shelf();
  #ids = { prefix: makeSecret(9), count: 0 };
  #tokenGiven = null;
  // Whether the daemon says of each refusal what it refuses.
  #isExact = false;
  // The token that the present connection was opened with, and whether it is to be given another.
  #tokenUsed;
  #auth = { isDue: false, next: () => this.#nextAuth(), refused: (error) => this.#report(error) };
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
    if (options.onError) this.onError(options.onError);
    if (options.onTokenExpired) this.onTokenExpired(options.onTokenExpired);
    const settings = Object.fromEntries(
      Object.entries(DEFAULTS).map(([name, value]) => [name, options[name] ?? value]),
    );
    const report = (error) => this.#report(error);
    this.#http = new Http(this.#baseUrl, options.fetch, settings.connectTimeout, () =>
      this.#headers(),
    );
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
        unreadable: (topic, pos) => this.#topics.get(topic)?.skip(pos),
        tooLarge: (limit, why) => this.#tooLarge(limit, why),
        stopped: (error) => this.#outbox.rejectAll(error),
        gaveUp: () => this.#listeners.maxRetries.tell(report),
        statusChanged: (...what) => this.#listeners.status.tell(report, ...what),
      },
      settings,
    );
    this.#talk = new Talk(this.#link);
    this.#host = {
      report,
      hasToSay: (speaker) => this.#hasToSay(speaker),
      whenDealtWith: (call) => this.#link.ping(call),
      activate: (name) => this.#activate(name),
      release: (topic, channel) => this.#release(topic, channel),
      keep: (channel) => this.#shelf.keep(channel),
      publish: (...what) => this.#publish(...what),
      getHistory: (...which) => this.#http.getHistory(...which),
    };
    this.#outbox = new Outbox(this.#host, settings.maxQueue);
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
    // A token that cannot be sent is better refused here.
    if (token) encode(token);
    this.#token = token;
    if (!token) return;
    this.#tokenGiven?.(true);
    if (this.#link.isOpen) this.#authenticate();
    else this.#link.renewed();
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
    const known = shared ? this.#shelf.get(name) : undefined;
    if (known === undefined) {
      const made = new RealtimeSubscription(this.#host, name, options);
      if (shared) this.#shelf.add(made);
      if (Object.keys(options).length) this.#shelf.keep(made);
      return made;
    }
    // One who asks without options wants the channel that there is.
    if (Object.keys(options).length) known._want(options);
    return known;
  }

  chatRoom(roomId) {
    return this.channel(`chat/${roomId}`);
  }

  sendChat(roomId, text, metadata) {
    return this.#give({ type: "chat", id: this.#nextId(), roomId, text, metadata });
  }

  // Names and addresses

  #qualify(topic) {
    const isText = typeof topic === "string" && topic !== "";
    const name = isText ? qualify(topic, this.#projectId) : "";
    // The daemon repeats no more of a topic that it refuses.
    if (!isText || name.length > LONGEST_TOPIC) {
      const message = `A topic is a text of at most ${LONGEST_TOPIC} characters, and not empty.`;
      throw new RealtimeError("invalid_topic", message);
    }
    encode(name);
    return name;
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
    this.#tokenUsed = this.#token;
    return [...offered, `aerostack-session.${this.#session}`, "aerostack-v1"];
  }

  #headers() {
    const headers = {};
    if (this.#apiKey) headers["X-Aerostack-Key"] = this.#apiKey;
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    return headers;
  }

  /** Why a WebSocket did not open, which a browser does not say. */
  async #diagnose() {
    try {
      // No topic's name: who may come in is told so, and nothing is looked up.
      await this.#http.getHistory(`?/${this.#projectId}`, 1);
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
    this.#auth.isDue = Boolean(this.#token) && this.#token !== this.#tokenUsed;
    const topics = [...this.#topics.values()];
    const first = topics.filter(({ isTracking }) => isTracking);
    this.#talk.opened([this.#auth, ...first, ...topics, this.#outbox]);
  }

  #closed() {
    this.#talk.closed();
    this.#auth.isDue = this.#isExact = false;
    this.#outbox.closed();
    for (const topic of this.#topics.values()) {
      topic.closed();
      this.#release(topic);
    }
  }

  /** Put the present connection under the present token. */
  #authenticate() {
    this.#auth.isDue = true;
    this.#talk.addFirst(this.#auth);
  }

  #nextAuth() {
    if (!this.#auth.isDue) return null;
    this.#auth.isDue = false;
    for (const topic of this.#topics.values()) topic.judgeAgain();
    return encode({ type: "auth", token: this.#token });
  }

  #hasToSay(speaker) {
    if (this.#link.isOpen) this.#talk.add(speaker);
    if (speaker instanceof Topic) this.#release(speaker);
  }

  #tooLarge(limit, why) {
    const isPublication = this.#outbox.tooLarge(limit, why);
    return this.#talk.tooLarge(limit) || isPublication;
  }

  #received(frame) {
    // Daemons that say either of these always say what they refuse.
    if (frame.sync === true || frame.request !== undefined) this.#isExact = true;
    if (frame.type === "ack") this.#outbox.settle(frame.id);
    else if (frame.type === "error") this.#failed(frame);
    else this.#topics.get(frame.topic)?.receive(frame);
  }

  /** The daemon has refused a frame, whose type is in `request`, or something has ended. */
  #failed({ code, message, request, ...details }) {
    const error = new RealtimeError(code, message, details);
    const topic = this.#topics.get(error.topic);
    const isTooFast = code === "rate_limited";
    if (isTooFast) {
      const isOutbox = error.id !== undefined;
      this.#talk.tooFast(isOutbox ? this.#outbox : topic, error.retryAfter);
    }
    if (this.#outbox.settle(error.id, error)) return;
    if (request === "auth" && error.retryAfter !== undefined) {
      this.#authenticate();
    } else if (isTooFast && [request, error.id, error.topic].every((it) => it === undefined)) {
      // An older daemon, which does not say what it refuses; of ours only a ping names nothing.
      this.#link.pingRefused();
    } else if (request === "ping") {
      this.#link.pingRefused();
    } else if (topic !== undefined && error.id === undefined && !PUBLICATIONS.has(request)) {
      topic.refused(error, request ?? (this.#isExact ? null : undefined));
    } else if (error.id !== undefined || isTooFast || !this.#mayBePublication(error, request)) {
      this.#report(error);
    }
  }

  /** Whether a publication that has no name may have been meant; then it is looked for. */
  #mayBePublication(error, request) {
    const isMeant = PUBLICATIONS.has(request) || (!request && UNREADABLE.has(error.code));
    return isMeant && this.#outbox.doubt(error);
  }

  async #renew(error) {
    const before = this.#token;
    // There is one that no connection was opened with yet.
    if (before && before !== this.#tokenUsed) return true;
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

  /** Take a topic into use. */
  #activate(name) {
    const topic = this.#topics.get(name) ?? new Topic(this.#host, name);
    this.#topics.set(name, topic);
    if (this.status === "idle") this.connect();
    return topic;
  }

  #release(topic, channel) {
    if (topic.isIdle && this.#topics.get(topic.name) === topic) this.#topics.delete(topic.name);
    if (channel) this.#shelf.remove(channel);
  }

  #publish(topic, event, data, persist) {
    return this.#give({ type: "publish", id: this.#nextId(), topic, event, data, persist });
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
