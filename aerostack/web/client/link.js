/**
 * The WebSocket to the daemon, and its life.
 */

import { RealtimeError, defer } from "./common.js";

// Close codes after which coming back would not help, and the one that wants a new token first.
const FINAL_CLOSES = new Set([1000, 1002, 1003, 1007, 1009, 4029]);
const TOKEN_CLOSE = 4001;
const TOKEN_ERRORS = new Set(["token_expired", "invalid_token"]);

// What the daemon sends; only these show that it is one.
const FRAMES = new Set([
  "subscribed", "unsubscribed", "ack", "pong", "db_change", "event", "chat_message",
  "snapshot", "commit", "status", "error", "reconnect",
]);

// A connection that lives this long was a good one.
const STABLE_AFTER = 5000;
// No daemon wants a client back later than this; a larger number is a mistake.
const LONGEST_DELAY = 3_600_000;

async function findWebSocket() {
  if (typeof globalThis.WebSocket === "function") return globalThis.WebSocket;
  // A name that bundlers cannot read, because only Node.js before 22 needs the package.
  const name = "ws";
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)).WebSocket;
  } catch {
    throw new RealtimeError(
      "no_websocket",
      "There is no WebSocket here. In Node.js before 22 run `npm install ws`; elsewhere pass one" +
        " as the option WebSocket.",
    );
  }
}

/** How long to wait before an attempt: any time up to a bound that doubles ("full jitter"). */
function backoff(attempt, { reconnectDelay, maxReconnectDelay }) {
  return Math.random() * Math.min(maxReconnectDelay, reconnectDelay * 2 ** attempt);
}

/** A delay that the daemon told, if it is one. */
function readDelay(value) {
  return Number.isFinite(value) && value >= 0 ? Math.min(value, LONGEST_DELAY) : undefined;
}

/**
 * The WebSocket, from the first attempt to the last.
 *
 * Its owner is asked for what an attempt needs (`url`, `protocols`, `WebSocket`), why one may
 * have been refused (`diagnose`) and for a new token (`renew`), and is told what happens
 * (`opened`, `closed`, `received`, `stopped`, `statusChanged`, `report`).
 */
export class Link {
  status = "idle";
  // idle | opening | open | judging | waiting | tokenless
  #phase = "idle";
  // Whatever was begun in an earlier turn is of no interest any more: it comes late, or the
  // application has done something else in a callback.
  #turn = 0;
  #owner;
  #options;
  #socket = null;
  #opening = null;
  #timer;
  #stableTimer;
  #attempts = 0;
  #heard = false;
  // What the daemon said before it closes: when to come back, and what is wrong with the token.
  #told;
  #tokenError;
  #reported = new Set();

  constructor(owner, options) {
    this.#owner = owner;
    this.#options = options;
  }

  get isOpen() {
    return this.#phase === "open";
  }

  /** Whether it is open, or tries to be. */
  get isWanted() {
    return this.#phase !== "idle";
  }

  connect() {
    if (this.isOpen) return Promise.resolve();
    this.#opening ??= defer();
    const { promise } = this.#opening;
    if (this.#phase === "idle") {
      this.#attempts = 0;
      this.#reported.clear();
      this.#listen("addEventListener");
    }
    if (this.#phase === "idle" || this.#phase === "tokenless") this.#setStatus("connecting");
    if (this.#phase === "tokenless") this.#comeBackSoon();
    else if (this.#phase !== "opening" && this.#phase !== "judging") this.#begin();
    return promise;
  }

  disconnect() {
    this.#stop(new RealtimeError("disconnected", "disconnect() was called."));
  }

  send(frame) {
    if (this.isOpen) this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    return this.isOpen;
  }

  /** Go on with a new token. */
  renewed() {
    if (this.#phase !== "tokenless") return;
    this.#setStatus("reconnecting");
    this.#comeBackSoon();
  }

  async #begin() {
    const turn = this.#enter("opening");
    this.#told = this.#tokenError = undefined;
    let socket;
    try {
      // Never at once: who disconnects in the same breath has opened nothing.
      const WebSocket = await (this.#owner.WebSocket ?? findWebSocket());
      if (turn !== this.#turn) return;
      const protocols = this.#owner.protocols();
      socket = protocols.length
        ? new WebSocket(this.#owner.url(), protocols)
        : new WebSocket(this.#owner.url());
    } catch (cause) {
      if (turn !== this.#turn) return;
      // A page may not open it, or a credential has characters that cannot be sent.
      const error =
        cause instanceof RealtimeError
          ? cause
          : new RealtimeError("cannot_open", `The WebSocket cannot be opened: ${cause.message}`, {
              cause,
            });
      this.#report(error);
      this.#stop(error);
      return;
    }
    this.#socket = socket;
    const { connectTimeout } = this.#options;
    this.#timer = setTimeout(
      () => this.#lost(undefined, undefined, this.#noAnswer(connectTimeout)),
      connectTimeout,
    );
    // Handlers are taken off when the socket is given up, so these concern the present one.
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
    // `close` follows, and says more.
    socket.onerror = () => {};
  }

  #opened() {
    this.#enter("open", this.#socket);
    this.#watch();
    this.#owner.opened();
    this.#opening?.resolve();
    this.#opening = null;
    this.#setStatus("connected");
  }

  #received(text) {
    try {
      const frame = JSON.parse(text);
      if (typeof frame.type !== "string") throw new TypeError("it has no type");
      if (!FRAMES.has(frame.type)) return;
      this.#heard = true;
      this.#stableTimer ??= setTimeout(() => this.#settled(), STABLE_AFTER);
      if (frame.type === "reconnect") {
        this.#told = readDelay(frame.delay);
      } else if (frame.type === "error" && TOKEN_ERRORS.has(frame.code)) {
        this.#tokenError = new RealtimeError(frame.code, frame.message);
      } else {
        this.#owner.received(frame);
      }
    } catch (cause) {
      // Something is lost with it; it comes again when we resume.
      const shown = typeof text === "string" ? text.slice(0, 100) : typeof text;
      this.#lost(
        undefined,
        undefined,
        new RealtimeError(
          "invalid_frame",
          `${this.#owner.url()} sent what is no frame of this protocol: ${shown}`,
          { cause },
        ),
      );
    }
  }

  /** It was a good connection: what comes next is a new story. */
  #settled() {
    this.#attempts = 0;
    this.#reported.clear();
  }

  // Liveness

  #watch() {
    this.#heard = false;
    this.#timer = setTimeout(() => {
      if (this.#heard) this.#watch();
      else this.#probe();
    }, this.#options.pingInterval);
  }

  #probe() {
    clearTimeout(this.#timer);
    this.#heard = false;
    this.send({ type: "ping" });
    const { pongTimeout } = this.#options;
    this.#timer = setTimeout(() => {
      if (this.#heard) this.#watch();
      else this.#lost(undefined, undefined, this.#noAnswer(pongTimeout));
    }, pongTimeout);
  }

  #noAnswer(time) {
    return new RealtimeError("no_answer", `${this.#owner.url()} did not answer within ${time} ms.`);
  }

  /** The network came, went or changed, or the page was woken: see what is left. */
  #look = (event) => {
    if (event.type === "visibilitychange" && globalThis.document.hidden) return;
    if (this.isOpen) {
      this.#probe();
    } else if (this.#phase === "waiting" && event.type === "online") {
      this.#attempts = 0;
      this.#begin();
    }
  };

  #listen(change) {
    globalThis[change]?.("online", this.#look);
    globalThis[change]?.("offline", this.#look);
    globalThis.document?.[change]?.("visibilitychange", this.#look);
  }

  // The end of a connection, and what comes after it

  async #lost(code, reason = "", error) {
    const wasOpen = this.isOpen;
    const turn = this.#enter("judging");
    const told = this.#told ?? readDelay(Number(/reconnect in (\d+) ms/.exec(reason)?.[1]));
    if (code === TOKEN_CLOSE) error = this.#tokenError;
    if (wasOpen) this.#owner.closed();
    else error ??= await this.#owner.diagnose();
    if (turn !== this.#turn) return;
    if (error === undefined) {
      const why = reason ? ` (${reason})` : "";
      error = new RealtimeError("closed", `The connection was closed with ${code}${why}.`, {
        closeCode: code,
      });
    }
    if (FINAL_CLOSES.has(code)) {
      this.#report(error);
      this.#stop(error);
    } else if (code === TOKEN_CLOSE || TOKEN_ERRORS.has(error.code)) {
      await this.#renew(turn, error);
    } else {
      // That a connection ended is no error, as long as there is another one.
      if (error.code !== "closed") this.#report(error);
      if (turn === this.#turn) this.#wait(error, told ?? readDelay(error.retryAfter));
    }
  }

  async #renew(turn, error) {
    this.#setStatus("reconnecting", { error });
    let renewed;
    try {
      renewed = await this.#owner.renew(error);
    } catch (cause) {
      if (turn !== this.#turn) return;
      this.#report(
        new RealtimeError("token_failed", `onTokenExpired gave no token: ${cause}`, { cause }),
      );
      if (turn === this.#turn) this.#wait(error);
      return;
    }
    if (turn !== this.#turn) return;
    if (renewed) {
      this.#comeBackSoon(error);
      return;
    }
    this.#enter("tokenless");
    this.#giveUpOpening(error);
    this.#setStatus("disconnected", { error });
    this.#report(
      new RealtimeError(error.code, `${error.message} Call setToken(), or pass onTokenExpired.`),
    );
  }

  /** At once, but not if this is not the first time: a new token may be refused as well. */
  #comeBackSoon(error) {
    if (this.#attempts > 0) return this.#wait(error);
    this.#attempts = 1;
    this.#begin();
  }

  #wait(error, told) {
    const { maxReconnectAttempts } = this.#options;
    if (this.#attempts >= maxReconnectAttempts) {
      const enough = new RealtimeError(
        "max_retries",
        `Gave up after ${maxReconnectAttempts} attempts to come back.`,
        { cause: error },
      );
      this.#report(enough);
      this.#stop(enough);
      this.#owner.gaveUp();
      return;
    }
    const delay = told ?? backoff(this.#attempts, this.#options);
    // Where there is no network, an attempt says nothing of the server.
    if (globalThis.navigator?.onLine !== false) this.#attempts += 1;
    this.#enter("waiting");
    this.#timer = setTimeout(() => this.#begin(), delay);
    this.#giveUpOpening(error);
    this.#setStatus("reconnecting", { error, delay });
  }

  /** Connect no more, unless asked to. */
  #stop(error) {
    const wasOpen = this.isOpen;
    const turn = this.#enter("idle");
    this.#listen("removeEventListener");
    this.#giveUpOpening(error);
    this.#owner.stopped(error);
    if (wasOpen) this.#owner.closed();
    if (turn === this.#turn) this.#setStatus("disconnected", { error });
  }

  #giveUpOpening(error) {
    this.#opening?.reject(error);
    this.#opening = null;
  }

  /** Enter a phase; everything of the one before ends. */
  #enter(phase, keep = null) {
    clearTimeout(this.#timer);
    clearTimeout(this.#stableTimer);
    this.#stableTimer = undefined;
    const socket = this.#socket;
    if (socket !== keep) {
      this.#socket = keep;
      // One that is closed by us may take long to say so.
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#phase = phase;
    return ++this.#turn;
  }

  #setStatus(status, detail = {}) {
    if (status === this.status && detail.delay === undefined) return;
    this.status = status;
    this.#owner.statusChanged(status, detail);
  }

  /** Tell of an error, each kind once until there is a connection again. */
  #report(error) {
    if (this.#reported.has(error.code)) return;
    this.#reported.add(error.code);
    this.#owner.report(error);
  }
}
