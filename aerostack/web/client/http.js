/**
 * The daemon's HTTP interface.
 */

import { foreignAnswer, RealtimeError } from "./errors.js";

const CHECK = "/api/realtime/check";
const HISTORY = "/api/v1/public/realtime/history";
const STREAMS = "/api/v1/public/realtime/streams";

export class HttpClient {
  #baseUrl;
  #fetch;
  #timeout;
  #credentials;

  /**
   * @param {string} baseUrl
   * @param {((url: string, init: object) => Promise<Response>) | undefined} fetch  The application's
   *   own; `undefined` for the usual one.
   * @param {number} timeout  In milliseconds.
   * @param {() => Record<string, string>} credentials  Gives the headers for the next request.
   */
  constructor(baseUrl, fetch, timeout, credentials) {
    this.#baseUrl = baseUrl;
    this.#fetch = fetch;
    this.#timeout = timeout;
    this.#credentials = credentials;
  }

  /**
   * Read a page of a topic's history: the newest messages before `before` (ms), newest first. A token
   * need not name the project, so the request does.
   */
  async getHistory(projectId, room, limit = 50, before) {
    const query = { room, limit, projectId, ...(before == null ? {} : { before }) };
    const { messages } = await this.#request(HISTORY, query);
    return messages ?? [];
  }

  /** Read a stream that runs, or that has ended. */
  readStream(id, projectId) {
    const query = projectId === undefined ? {} : { projectId };
    return this.#request(`${STREAMS}/${encodeURIComponent(id)}`, query);
  }

  /**
   * Ask whether the daemon would open a WebSocket now: browsers do not say why one has not opened.
   *
   * @param {Record<string, string>} query  The parameters of the WebSocket's address.
   * @throws {RealtimeError} Why the daemon would refuse it.
   */
  checkOpening(query) {
    return this.#request(CHECK, query);
  }

  #request(path, query) {
    const url = `${path}?${new URLSearchParams(query)}`;
    return ask(this.#baseUrl, this.#fetch, url, { headers: this.#credentials() }, this.#timeout);
  }
}

/**
 * Make a request, and read its answer.
 *
 * @param {string} baseUrl
 * @param {((url: string, init: object) => Promise<Response>) | undefined} fetch  The application's
 *   own; `undefined` for the usual one.
 * @param {string} path  The path with the query.
 * @param {object} init  What else `fetch` takes.
 * @param {number} timeout  In milliseconds.
 * @param {(baseUrl: string, status: number, body: any) => any} understand  Reads the answer.
 * @returns {Promise<any>} The daemon's answer.
 * @throws {RealtimeError} The daemon refused, or none answered; then `cause` has the error of `fetch`.
 */
export async function ask(baseUrl, fetch, path, init, timeout, understand = readAnswer) {
  const { status, text } = await load(baseUrl, fetch ?? globalThis.fetch, path, init, timeout);
  return understand(baseUrl, status, parse(text));
}

/**
 * Read an answer.
 *
 * @param {string} baseUrl
 * @param {number} status
 * @param {any} body  `null` if it is no JSON.
 * @throws {RealtimeError} It is a refusal, or none of the daemon's.
 */
export function readAnswer(baseUrl, status, body) {
  if (status >= 200 && status < 300 && body !== null) return body;
  throw refusal(baseUrl, status, body);
}

/** The error for an answer that is a refusal, or none of the daemon's. */
export function refusal(baseUrl, status, body) {
  return typeof body?.error === "string"
    ? new RealtimeError(body.error, body.message, body)
    : foreignAnswer(baseUrl, status);
}

async function load(baseUrl, fetch, path, init, timeout) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeout);
  let response;
  try {
    response = await fetch(`${baseUrl}${path}`, { ...init, signal: controller.signal });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    throw unreachable(baseUrl, response !== undefined, cause);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The error for a server that does not answer.
 *
 * @param {string} baseUrl
 * @param {boolean} hasBegun  Whether its answer has begun.
 * @param {any} cause  The error of `fetch`.
 */
export function unreachable(baseUrl, hasBegun, cause) {
  // The daemon lets every page read a refusal. The browser may not let the page ask.
  const hint = globalThis.location
    ? ", or the page may not ask it (mixed content, or the page's CSP)"
    : "";
  const why = hasBegun ? "its answer was cut off" : `it does not answer${hint}`;
  // Node.js says why, such as that it does not trust the certificate; browsers do not.
  const detail = cause.cause?.message ? ` (${cause.cause.message})` : "";
  const message = `${baseUrl} cannot be reached: ${why}${detail}.`;
  return new RealtimeError("unreachable", message, { cause });
}

/** Read JSON; `null` if the text is not JSON. */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
