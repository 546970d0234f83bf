/**
 * The SDK for servers: it sends events to users, and queries the database. It runs in Node.js 18 and
 * later, and wherever else there is `fetch`. `server.d.ts` describes what each method takes and gives.
 */

import { readBaseUrl } from "./address.js";
import { RealtimeError } from "./errors.js";
import { ask, readAnswer } from "./http.js";
import { encode } from "./outgoing.js";
import { readStreamAnswer, StreamEnded, TokenStream } from "./serverstream.js";

export { RealtimeError, StreamEnded };

const RPC = "/internal/hooks/rpc";
const HISTORY = "/api/v1/public/realtime/history";
const EXPLAIN = "/internal/admin/explain";
const HEALTH = "/health";

// The daemon answers with these before it does anything.
const UNTOUCHED = new Set(["rate_limited", "overloaded", "shutting_down", "too_many_connections"]);
// The daemon that has a stream is gone, and another one takes the stream over.
const TAKEN_OVER = "engine_unavailable";
// These pass by themselves; a request that does no harm twice is repeated after them, too.
const PASSING = new Set([...UNTOUCHED, "unreachable", "database_unavailable", TAKEN_OVER]);
// With these no server was reached.
const UNSENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

// Milliseconds that a call may take in all, where the application does not say: a web request waits for
// an event, and the daemon's own limit for a query is 30 seconds.
const USUAL = 10_000;
const TIMES = { "socket.emit": 3_000, "db.query": 35_000 };
// When the daemon that has a stream dies, another one takes the stream over within 16 seconds. No text
// waits for a sign of life for long.
const STREAM_USUAL = 30_000;
const BEAT = "ai.beat";
// Milliseconds for which a call is repeated at most, if no stream is taken over.
const LONGEST_REPEATING = 10_000;

// Milliseconds: the pauses before repetitions double.
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 2000;

export class ServerSDK {
  socket;
  db;
  user;
  ai;
  #baseUrl;
  #secretKey;
  #projectId;
  #timeout;
  #onError;
  #fetch;

  constructor({ baseUrl, secretKey, projectId, timeout, onError, fetch } = /** @type {any} */ ({})) {
    this.#baseUrl = readBaseUrl(baseUrl);
    if (typeof secretKey !== "string" || !/^[\x21-\x7e]+$/.test(secretKey)) {
      throw new RealtimeError(
        "no_secret_key",
        "secretKey must be the project's secret key, without spaces and line ends around it.",
      );
    }
    this.#secretKey = secretKey;
    this.#projectId = projectId;
    this.#timeout = timeout;
    this.#onError = onError;
    this.#fetch = fetch;
    const watch = (called) => this.#watch(called);
    // `texts` are the arguments that must be text, by their names.
    const call = (method, texts, ...args) => watch(this.#rpc(method, texts, args, false));
    this.socket = {
      emit: (event, data, topic, options) =>
        call("socket.emit", { event, topic }, event, data, topic, ...(options ? [options] : [])),
      emitAll: (events) =>
        call("socket.emit", {}, Array.isArray(events) ? events.map(withData) : events),
    };
    this.db = { query: (sql, params = []) => watch(this.#query(sql, params)) };
    this.user = {
      disconnect: (userId, options = {}) => call("user.disconnect", { userId }, userId, options),
      revoke: (userId, options) => call("user.revoke", { userId }, userId, options),
    };
    // None of these does harm twice.
    const stream = (method, texts, ...args) =>
      this.#rpc(method, texts, args, true, readStreamAnswer);
    const write = (method, ...args) => stream(method, {}, ...args);
    this.ai = {
      stream: (topic, options) => {
        // The same names make a repeated call harmless: it begins no second stream.
        const begin = { producer: makeId(), ...options, stream: options?.stream ?? makeId() };
        const begun = stream("ai.start", { topic }, topic, begin);
        return watch(begun.then((started) => new TokenStream(write, watch, started)));
      },
      relay: (topic, request, options) => {
        const begin = { ...options, stream: options?.stream ?? makeId() };
        return watch(stream("ai.relay", { topic }, topic, request, begin));
      },
      cancel: (id) => watch(stream("ai.cancel", { stream: id }, id)),
      get: (id) => watch(stream("ai.get", { stream: id }, id)),
    };
  }

  async getHistory(topic, limit = 50, before) {
    const query = { room: topic, limit: `${limit}`, ...(before == null ? {} : { before }) };
    const headers = { "X-Aerostack-Key": this.#secretKey };
    const { messages } = await this.#watch(this.#read(HISTORY, { topic }, query, headers));
    return messages ?? [];
  }

  health() {
    return this.#watch(this.#repeat(HEALTH, { headers: {} }, true, USUAL, readHealth));
  }

  explain(userId, topic) {
    const headers = { Authorization: `Bearer ${this.#secretKey}` };
    return this.#watch(this.#read(EXPLAIN, { userId, topic }, { user: userId, topic }, headers));
  }

  // These are `async`: a wrong argument, or data that cannot be JSON, rejects the promise as every
  // other error does.

  async #read(path, texts, query, headers) {
    checkTexts(texts);
    return this.#repeat(`${path}?${new URLSearchParams(query)}`, { headers }, true, USUAL);
  }

  async #query(sql, params) {
    if (!Array.isArray(params)) {
      throw new RealtimeError(
        "invalid_arguments",
        "params is a list with one value for each ? of the statement.",
      );
    }
    return this.#rpc("db.query", { sql }, [sql, params.map(encodeParameter)], false);
  }

  async #rpc(method, texts, args, isHarmless, understand) {
    checkTexts(texts);
    const headers = {
      "Authorization": `Bearer ${this.#secretKey}`,
      "Content-Type": "application/json",
    };
    const init = {
      method: "POST",
      headers,
      body: encode({ method, args, projectId: this.#projectId }),
    };
    return this.#repeat(RPC, init, isHarmless, usualFor(method), understand);
  }

  /** Call `onError` if a call fails. Node.js does not end then if the program ignores the failure. */
  #watch(called) {
    if (this.#onError) called.catch(this.#onError);
    return called;
  }

  /** Make a request, and repeat it where that is safe and may help. */
  async #repeat(path, init, isHarmless, usual, understand) {
    const begin = performance.now();
    const timeout = this.#timeout ?? usual;
    const until = begin + timeout;
    let repeated = begin + Math.min(timeout, LONGEST_REPEATING);
    for (let attempts = 1; ; attempts += 1) {
      try {
        const left = until - performance.now();
        return await ask(this.#baseUrl, this.#fetch, path, init, left, understand);
      } catch (error) {
        if (error.code === TAKEN_OVER) repeated = until;
        const delay = retryDelay(error, attempts, isHarmless);
        if (delay === null || performance.now() + delay >= repeated) throw error;
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }
}

/** The milliseconds that a call may take in all, where the application does not say. */
function usualFor(method) {
  if (method.startsWith("ai.") && method !== BEAT) return STREAM_USUAL;
  return TIMES[method] ?? USUAL;
}

/** Throw if one of these arguments is no text: in an address `undefined` would be a name. */
function checkTexts(texts) {
  for (const [name, value] of Object.entries(texts)) {
    if (typeof value === "string") continue;
    const kind = value === null ? "null" : typeof value;
    throw new RealtimeError("invalid_arguments", `${name} is text, not ${kind}.`);
  }
}

/** Make an id. It need not be secret, and Node.js 18 has no `crypto` without an import. */
function makeId() {
  const part = () => Math.random().toString(36).slice(2);
  return part() + part();
}

/** Read the health. A daemon that fails says so with 503 and the same fields. */
function readHealth(baseUrl, status, body) {
  return body?.checks ? body : readAnswer(baseUrl, status, body);
}

/** An event without data has the data `null`, as that of `emit`: JSON leaves `undefined` out. */
function withData(event) {
  return event?.data === undefined ? { ...event, data: null } : event;
}

function encodeParameter(value) {
  if (Array.isArray(value)) return value.map(encodeParameter);
  if (!(value instanceof Uint8Array)) return value;
  let letters = "";
  for (const byte of value) letters += String.fromCharCode(byte);
  return { base64: btoa(letters) };
}

/**
 * Decide whether a request that failed is made again.
 *
 * @param {any} error
 * @param {number} attempts  How often it was made.
 * @param {boolean} isHarmless  Whether making it twice does no harm.
 * @returns {number | null} The milliseconds to wait before; `null` if the daemon may have acted on it,
 *   or never will.
 */
export function retryDelay(error, attempts, isHarmless) {
  const isSafe = UNTOUCHED.has(error.code) || UNSENT.has(error.cause?.cause?.code);
  if (!isSafe && !(isHarmless && PASSING.has(error.code))) return null;
  return Math.max(error.retryAfter ?? 0, Math.min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE));
}
