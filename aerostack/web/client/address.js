/**
 * Where the daemon is, and with which credentials the client comes.
 */

import { RealtimeError } from "./errors.js";

/** Random letters that a subprotocol may have, of so many random bytes. */
export function makeSecret(bytes) {
  const random = globalThis.crypto.getRandomValues(new Uint8Array(bytes));
  const letters = btoa(String.fromCharCode(...random));
  return letters.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** The daemon's HTTP address, without a slash at its end. */
export function readBaseUrl(given) {
  const text = given ?? globalThis.location?.origin;
  let url = null;
  try {
    url = new URL(text);
  } catch {
    // The check below throws for all wrong addresses alike.
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

/** A daemon to connect to, and the client's credentials. */
export class Address {
  baseUrl;
  projectId;
  /** @type {string | undefined} */
  token;
  #apiKey;
  #userId;
  // By this secret the daemon knows a client that comes back, and closes its old connection.
  #session = makeSecret(24);

  /**
   * @param {{ baseUrl?: string, projectId?: string, apiKey?: string, token?: string, userId?: string }}
   *   options
   */
  constructor({ baseUrl, projectId, apiKey, token, userId }) {
    this.baseUrl = readBaseUrl(baseUrl);
    if (typeof projectId !== "string" || !projectId) {
      throw new RealtimeError("no_project", "projectId is missing: it names the daemon's project.");
    }
    this.projectId = projectId;
    this.token = token;
    this.#apiKey = apiKey;
    this.#userId = userId;
  }

  /** The address of the WebSocket. */
  get url() {
    return `${this.baseUrl.replace("http", "ws")}/api/realtime?${new URLSearchParams(this.query)}`;
  }

  /** The parameters of that address. */
  get query() {
    const { projectId } = this;
    return this.#userId ? { projectId, userId: this.#userId } : { projectId };
  }

  /** The subprotocols to offer. They carry the credentials, because URLs end up in logs. */
  get protocols() {
    const offered = [];
    if (this.#apiKey) offered.push(`aerostack-key.${this.#apiKey}`);
    if (this.token) offered.push(`aerostack-token.${this.token}`);
    return [...offered, `aerostack-session.${this.#session}`, "aerostack-v1"];
  }

  /** The headers of a connection over server-sent events. */
  get sseHeaders() {
    return { ...this.headers, "X-Aerostack-Client": this.#session };
  }

  /** The headers of an HTTP request. */
  get headers() {
    /** @type {Record<string, string>} */
    const headers = {};
    if (this.#apiKey) headers["X-Aerostack-Key"] = this.#apiKey;
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    return headers;
  }
}
