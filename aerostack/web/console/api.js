/**
 * The daemon's HTTP interface, as the console uses it.
 */

import { daemon } from "../shared/dom.js";

const ADMIN = `${daemon}/internal/admin/`;
const RPC = `${daemon}/internal/hooks/rpc`;

// How long the console waits for an answer, in milliseconds.
const PATIENCE = 10_000;
// No frame has so many characters.
const LONGEST_LINE = 32 << 20;

/** An error of a request. `status` is the HTTP status, or 0 if the daemon did not answer. */
export class ApiError extends Error {
  constructor(status, code, message, retryAfter) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** Whether the request itself was wrong: the view that made it shows the error. */
  get isAboutRequest() {
    return this.status === 400 || this.status === 404 || this.code === "wrong_project";
  }
}

const gone = (message) => new ApiError(0, "unreachable", message);
const nonsense = (status) =>
  new ApiError(
    status >= 400 ? status : 502,
    "nonsense",
    `This server does not answer as an aerostack-rt daemon does (status ${status}).`,
  );

async function errorOf(response) {
  let body;
  try {
    body = await response.json();
  } catch {
    return nonsense(response.status);
  }
  if (typeof body?.message !== "string") return nonsense(response.status);
  return new ApiError(response.status, body.error, body.message, body.retryAfter);
}

/** The lines of a stream of text. */
async function* linesOf(reader) {
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const lines = rest.split("\n");
    rest = lines.pop();
    if (rest.length > LONGEST_LINE) throw nonsense(200);
    yield* lines.filter((line) => line);
  }
}

/** The daemon, with a project's secret key. */
export class Api {
  /** The id of the project, once the daemon has named it. */
  project = "";
  #key;

  constructor(key) {
    // The browser would throw for such a header, and not say why.
    if (!/^[\x21-\x7e]+$/.test(key)) {
      throw new ApiError(401, "unauthorized", "This is no key: a key has no spaces or accents.");
    }
    this.#key = key;
  }

  /** Ask one of the admin endpoints. Empty parameters are left out. */
  async get(name, parameters = {}, signal) {
    const known = Object.entries(parameters).filter(([, value]) => value || value === 0);
    const query = new URLSearchParams(known).toString();
    return this.#answer(`${ADMIN}${name}${query && `?${query}`}`, {}, signal);
  }

  /** Publish an event. */
  async publish(topic, event, data, persist) {
    return this.#call("socket.emit", [event, data, topic, ...(persist ? [{ persist }] : [])]);
  }

  /** Close a connection of a user; of no user, if `userId` is `null`. */
  async disconnect(userId, connection) {
    return this.#call("user.disconnect", [userId, { connection }]);
  }

  /** Cancel a token stream. */
  async cancel(stream) {
    return this.#call("ai.cancel", [stream]);
  }

  async #call(method, args) {
    return this.#answer(RPC, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ method, args }),
    });
  }

  /** The frames of a topic as the daemon publishes them, until the signal or the daemon ends it. */
  async *watch(topic, signal) {
    const path = `${ADMIN}watch?${new URLSearchParams({ topic })}`;
    // Frames may be rare. The daemon sends a ping now and then.
    const { response, timer } = await this.#ask(path, {}, signal, 3 * PATIENCE);
    try {
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for await (const line of linesOf(reader)) {
        timer.restart();
        let frame;
        try {
          frame = JSON.parse(line);
        } catch {
          throw nonsense(200);
        }
        if (frame.type !== "ping") yield frame;
      }
    } catch (error) {
      throw timer.explain(error, signal);
    } finally {
      timer.stop(true);
    }
  }

  async #answer(path, options, signal) {
    const { response, timer } = await this.#ask(path, options, signal, PATIENCE);
    try {
      const text = await response.text();
      try {
        return JSON.parse(text);
      } catch {
        throw nonsense(response.status);
      }
    } catch (error) {
      throw timer.explain(error, signal);
    } finally {
      timer.stop();
    }
  }

  async #ask(path, { headers = {}, ...options }, signal, patience) {
    const timer = new Patience(patience, signal);
    try {
      const response = await fetch(path, {
        ...options,
        headers: { ...headers, authorization: `Bearer ${this.#key}` },
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: timer.signal,
      });
      if (!response.ok) throw await errorOf(response);
      return { response, timer };
    } catch (error) {
      timer.stop();
      throw timer.explain(error, signal);
    }
  }
}

/** Aborts a request when its time is over, or when its owner aborts. */
class Patience {
  #controller = new AbortController();
  #timer;
  #over = false;
  #span;
  #owner;

  constructor(span, owner) {
    this.#span = span;
    this.#owner = owner;
    if (owner?.aborted) this.#abort();
    owner?.addEventListener("abort", this.#abort);
    this.restart();
  }

  get signal() {
    return this.#controller.signal;
  }

  #abort = () => this.#controller.abort();

  restart() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#over = true;
      this.#abort();
    }, this.#span);
  }

  stop(abort = false) {
    clearTimeout(this.#timer);
    this.#owner?.removeEventListener("abort", this.#abort);
    if (abort) this.#abort();
  }

  /** Turn what was thrown into an error for the user. */
  explain(error, owner) {
    if (error instanceof ApiError || owner?.aborted) return error;
    if (this.#over) return gone(`The daemon has been silent for ${this.#span / 1000} seconds.`);
    return gone("The daemon does not answer.");
  }
}
