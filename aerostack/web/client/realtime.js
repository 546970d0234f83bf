/**
 * The client of aerostack-rt, for browsers and for Node.js 20 and later.
 *
 *     const realtime = new RealtimeClient({ baseUrl: "http://127.0.0.1:8787", projectId: "p" });
 *     realtime.channel("orders").on("INSERT", ({ data }) => console.log(data)).subscribe();
 *
 * One WebSocket carries every topic. The client opens it again when it is lost, and resumes every
 * subscription. `realtime.d.ts` describes each option and method.
 *
 * Most files behind this one have the names of the Python client's modules:
 *
 * - `address.js` is where the daemon is, with the credentials; `connection.js` keeps a WebSocket
 *   (`transport.js`) open, or what takes its place (`eventsocket.js`), `closing.js` knows why one
 *   ends, `diagnosis.js` finds out why one does not open, `liveness.js` whether it is dead, and
 *   `reports.js` passes errors on; `http.js` is the daemon's HTTP interface;
 * - `session.js` sends over the connection what the application wants: `pacing.js` decides how fast,
 *   `outbox.js` keeps publications until the daemon has acknowledged them, `topic.js` is a topic as
 *   the daemon knows it, with its subscription (`subscribing.js`, `selection.js`), this client's own
 *   presence (`tracking.js`), its members (`presence.js`), its rows (`rows.js`, `ordering.js`), its
 *   newest frames (`past.js`), its answers (`answers.js`) and the values of its keys
 *   (`sharedstate.js`), and `channel.js` is what the application holds of it; `channels.js` remembers
 *   the channels;
 * - `frames.js` reads what comes, `outgoing.js` encodes what goes out; `callbacks.js`, `errors.js`,
 *   `backoff.js` and `pause.js` serve all of them, and `interfaces.js` says what they need of each
 *   other.
 */

import { Address } from "./address.js";
import { RealtimeSubscription } from "./channel.js";
import { RealtimeError } from "./errors.js";
import { encode } from "./outgoing.js";
import { identify } from "./selection.js";
import { Session } from "./session.js";

export { RealtimeError, RealtimeSubscription };

// Times are in milliseconds.
const DEFAULTS = {
  maxReconnectAttempts: Infinity,
  reconnectDelay: 1000,
  maxReconnectDelay: 30_000,
  connectTimeout: 10_000,
  pingInterval: 25_000,
  pongTimeout: 10_000,
  maxQueue: 1000,
  transport: "auto",
};

const LONGEST_TOPIC = 4096;

/** The whole name of a topic, from any of its forms. */
function qualify(topic, projectId) {
  if (topic.endsWith(`/${projectId}`)) return topic;
  return `${topic.includes("/") ? topic : `table/${topic}`}/${projectId}`;
}

/** A connection to a daemon, and everything that an application does over it. */
export class RealtimeClient {
  #session;

  /** @param {Record<string, any>} options */
  constructor(options = {}) {
    const address = new Address({
      baseUrl: options.baseUrl ?? options.serverUrl,
      projectId: options.projectId,
      apiKey: options.apiKey,
      token: options.token,
      userId: options.userId,
    });
    const settings = { ...DEFAULTS };
    for (const name of Object.keys(DEFAULTS)) settings[name] = options[name] ?? DEFAULTS[name];
    const own = { WebSocket: options.WebSocket, fetch: options.fetch };
    this.#session = new Session(address, settings, own);
    if (options.onError) this.onError(options.onError);
    if (options.onTokenExpired) this.onTokenExpired(options.onTokenExpired);
  }

  get status() {
    return this.#session.status;
  }

  get connected() {
    return this.status === "connected";
  }

  get transport() {
    return this.#session.transport;
  }

  get projectId() {
    return this.#session.address.projectId;
  }

  connect() {
    return this.#session.connect();
  }

  disconnect() {
    this.#session.disconnect();
  }

  setToken(token) {
    this.#session.setToken(token);
  }

  onStatusChange(callback) {
    return this.#session.callbacks.status.add(callback);
  }

  onTransportChange(callback) {
    return this.#session.callbacks.transport.add(callback);
  }

  onMaxRetriesExceeded(callback) {
    return this.#session.callbacks.maxRetries.add(callback);
  }

  onError(callback) {
    return this.#session.callbacks.error.add(callback);
  }

  onTokenExpired(callback) {
    return this.#session.callbacks.tokenExpired.add(callback);
  }

  channel(topic, { shared = true, ...options } = {}) {
    const { channels, host } = this.#session;
    const name = this.#qualify(topic);
    const hasOptions = Object.keys(options).length > 0;
    let key = name;
    let known = shared ? channels.get(key) : undefined;
    if (hasOptions && known?._suits(options) === false && name.startsWith("table/")) {
      // A table may have several subscriptions.
      key = `${name}\n${identify(options)}`;
      known = channels.get(key);
    }
    if (known === undefined) {
      const made = new RealtimeSubscription(host, name, options, key);
      if (shared) channels.add(made);
      if (hasOptions) channels.keep(made);
      return made;
    }
    // Without options the application gets the channel as it is.
    if (hasOptions) known._want(options);
    return known;
  }

  chatRoom(roomId) {
    return this.channel(roomId == null ? roomId : `chat/${roomId}`);
  }

  sendChat(roomId, text, metadata) {
    return this.#session.enter({ type: "chat", roomId, text, metadata });
  }

  #qualify(topic) {
    const isText = typeof topic === "string" && topic !== "";
    const name = isText ? qualify(topic, this.projectId) : "";
    // The daemon would repeat only the beginning of a longer topic in its error.
    if (!isText || name.length > LONGEST_TOPIC) {
      const message = `A topic is a text of at most ${LONGEST_TOPIC} characters, and not empty.`;
      throw new RealtimeError("invalid_topic", message);
    }
    encode(name);
    return name;
  }
}
