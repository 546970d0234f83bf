/**
 * The daemon's HTTP interface.
 */

import { RealtimeError } from "./errors.js";

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
    this.#fetch = fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#timeout = timeout;
    this.#credentials = credentials;
  }

  /** Read a page of a topic's history: the newest messages before `before` (ms), newest first. */
  async getHistory(room, limit = 50, before) {
    const query = before == null ? { room, limit } : { room, limit, before };
    const { messages } = await this.#request(HISTORY, query);
    return messages ?? [];
  }

  /** Read a stream that runs, or that has ended. */
  readStream(id, projectId) {
    const query = projectId === undefined ? {} : { projectId };
    return this.#request(`${STREAMS}/${encodeURIComponent(id)}`, query);
  }

  async #request(path, query) {
    const { status, text } = await this.#get(`${path}?${new URLSearchParams(query)}`);
    const body = read(text);
    const isGood = status >= 200 && status < 300;
    if (isGood && body !== null) return body;
    if (typeof body?.error !== "string") {
      throw new RealtimeError(
        "wrong_server",
        `The server at ${this.#baseUrl} is no aerostack-rt daemon (HTTP ${status}).`,
      );
    }
    throw new RealtimeError(body.error, body.message, { retryAfter: body.retryAfter });
  }

  async #get(path) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), this.#timeout);
    let response;
    try {
      const init = { headers: this.#credentials(), signal: controller.signal };
      response = await this.#fetch(`${this.#baseUrl}${path}`, init);
      return { status: response.status, text: await response.text() };
    } catch (cause) {
      throw this.#unreachable(response !== undefined, cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #unreachable(hasBegun, cause) {
    const page = globalThis.location?.origin;
    const hint = page ? `, or does not let pages of ${page} in (projects.<id>.origins)` : "";
    const why = hasBegun ? "its answer was cut off" : `it does not answer${hint}`;
    const message = `${this.#baseUrl} cannot be reached: ${why}.`;
    return new RealtimeError("unreachable", message, { cause });
  }
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
