/**
 * The connection to the daemon: one WebSocket, and another one when it is lost. Where no WebSocket
 * passes, server-sent events take its place.
 */

import { backoff } from "./backoff.js";
import { defer } from "./callbacks.js";
import {
  closedError,
  FINAL_CLOSES,
  readDelay,
  readReason,
  TOKEN_CLOSE,
  TOKEN_ERRORS,
  TOO_LARGE_CLOSE,
} from "./closing.js";
import { Diagnosis } from "./diagnosis.js";
import { RealtimeError } from "./errors.js";
import { readFrame } from "./frames.js";
import { Liveness } from "./liveness.js";
import { Reports } from "./reports.js";
import { Choice, findWebSocket, openingError, openWebSocket } from "./transport.js";

// A connection that lasts so many milliseconds counts as a success.
const STABLE_AFTER = 5000;
// A WebSocket that has not opened, or has brought nothing, after so many milliseconds may be held up on
// its way.
const LATE = 2000;

/** Keeps a connection open, from the first attempt to the last. */
export class Connection {
  /** @type {"idle" | "connecting" | "connected" | "reconnecting" | "disconnected"} */
  status = "idle";
  /**
   * `deciding` is the time after a loss in which the client finds out why, or gets a new token;
   * `waiting` is the pause before the next attempt; `tokenless` lasts until the application sets a
   * token.
   *
   * @type {"idle" | "opening" | "open" | "deciding" | "waiting" | "tokenless"}
   */
  #phase = "idle";
  // Grows with each phase. Code that waited compares it: if it has changed, another event came first,
  // or a callback of the application changed something.
  #turn = 0;
  /** @type {import("./interfaces.js").ConnectionOwner} */
  #owner;
  #options;
  #socket = null;
  #opening = null;
  #timer;
  #stableTimer;
  #attempts = 0;
  #diagnosis;
  // When the last attempt began, and the earliest time of the next one.
  #beganAt = 0;
  #earliest = 0;
  #liveness;
  // What the daemon said before it closed: when to come back, and what is wrong with the token.
  #delay;
  #tokenError;
  #reports;
  #choice;
  // What the application knows of it.
  #transport;
  #lateTimer;

  /**
   * @param {import("./interfaces.js").ConnectionOwner} owner
   * @param {import("./interfaces.js").Settings} options
   */
  constructor(owner, options) {
    this.#owner = owner;
    this.#options = options;
    this.#diagnosis = new Diagnosis(() => owner.diagnose());
    this.#reports = new Reports((error) => owner.report(error));
    this.#choice = new Choice(options.transport);
    this.#transport = this.#choice.transport;
    this.#liveness = new Liveness(
      (frame) => this.send(frame),
      (time) => this.#lost(undefined, undefined, this.#noAnswer(time)),
      options,
    );
  }

  /** How the client is connected, or connects next. */
  get transport() {
    return this.#transport;
  }

  get isOpen() {
    return this.#phase === "open";
  }

  /** Whether it is open, or will be. */
  get isWanted() {
    return this.#phase !== "idle";
  }

  connect() {
    if (this.isOpen) return Promise.resolve();
    this.#opening ??= defer();
    const { promise } = this.#opening;
    if (this.#phase === "idle") {
      this.#attempts = 0;
      this.#diagnosis.reset();
      this.#reports.clear();
      this.#listen("addEventListener");
    }
    if (this.#phase === "idle" || this.#phase === "tokenless") this.#setStatus("connecting");
    if (this.#phase === "tokenless") this.#comeBackSoon();
    else if (this.#phase !== "opening" && this.#phase !== "deciding") this.#begin();
    return promise;
  }

  disconnect() {
    this.#stop(new RealtimeError("disconnected", "disconnect() was called."));
  }

  /**
   * Send a frame.
   *
   * @param {string} frame  JSON.
   * @returns {boolean} Whether there is a connection.
   */
  send(frame) {
    if (this.isOpen) this.#socket.send(frame);
    return this.isOpen;
  }

  /** See `Liveness`. */
  ping(answered) {
    this.#liveness.ping(answered);
  }

  /** The daemon has refused the oldest open ping. */
  pingRefused() {
    this.#liveness.answered(false);
  }

  /** The application has set a token. */
  renewed() {
    this.#diagnosis.reset();
    if (this.#phase !== "tokenless") return;
    this.#setStatus("reconnecting");
    this.#comeBackSoon();
  }

  async #begin() {
    const turn = this.#enter("opening");
    this.#delay = this.#tokenError = undefined;
    this.#beganAt = performance.now();
    this.#choice.begin();
    const isSSE = this.#choice.transport === "sse";
    let socket;
    try {
      // Always after a turn: a client that disconnects at once has opened nothing.
      const WebSocket = await (isSSE ? null : this.#owner.WebSocket ?? findWebSocket());
      if (turn !== this.#turn) return;
      const protocols = this.#owner.protocols();
      socket = isSSE
        ? this.#owner.openEvents()
        : openWebSocket(WebSocket, this.#owner.url(), protocols);
    } catch (cause) {
      if (turn !== this.#turn) return;
      const error = openingError(cause);
      this.#reports.add(error);
      this.#stop(error);
      return;
    }
    this.#socket = socket;
    const { connectTimeout } = this.#options;
    this.#timer = setTimeout(
      () => this.#lost(undefined, undefined, this.#noAnswer(connectTimeout)),
      connectTimeout,
    );
    if (this.#choice.hasOther) this.#lateTimer = setTimeout(() => this.#late(turn), LATE);
    // The client takes the handlers off a socket that it gives up: these are of the present one.
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason, event.error);
    // The `close` event follows, and says more.
    socket.onerror = () => {};
  }

  /** A WebSocket takes long to open: see whether HTTP passes. */
  async #late(turn) {
    const why = await this.#diagnosis.refusal();
    if (turn === this.#turn && why !== undefined) this.#lost(undefined, undefined, why);
  }

  #opened() {
    this.#enter("open", this.#socket);
    if (this.#choice.hasOther) {
      this.#lateTimer = setTimeout(() => this.#wasHeard || this.#liveness.probe(), LATE);
    }
    const { transport } = this.#choice;
    if (transport !== this.#transport) {
      this.#transport = transport;
      this.#owner.transportChanged(transport);
    }
    this.#diagnosis.reset();
    this.#liveness.start();
    this.#owner.opened();
    this.#opening?.resolve();
    this.#opening = null;
    this.#setStatus("connected");
  }

  /** Whether the present connection has brought a frame. */
  get #wasHeard() {
    return this.#stableTimer !== undefined;
  }

  #received(text) {
    const { frame, fault, topic, pos, view } = readFrame(text);
    if (fault !== undefined) {
      const shown = typeof text === "string" ? text.slice(0, 100) : typeof text;
      const message = `${this.#owner.baseUrl} sent a frame that cannot be read (${fault}): ${shown}`;
      this.#reports.add(new RealtimeError("invalid_frame", message, { topic }));
      this.#owner.unreadable(topic, pos, view);
      return;
    }
    // A newer daemon may send frames that this client does not know.
    if (frame === null) return;
    this.#liveness.heard();
    this.#stableTimer ??= setTimeout(() => this.#proved(), STABLE_AFTER);
    if (frame.type === "reconnect") {
      this.#delay = readDelay(frame.delay);
    } else if (frame.type === "pong") {
      this.#liveness.answered(true);
    } else if (frame.type === "error" && TOKEN_ERRORS.has(frame.code)) {
      this.#tokenError = new RealtimeError(frame.code, frame.message);
    } else {
      try {
        this.#owner.received(frame);
      } catch (cause) {
        // The client has a fault. Another connection would not help.
        const message = `The client failed on a frame of the type ${frame.type}: ${cause}`;
        const { topic } = frame;
        this.#owner.report(new RealtimeError("client_failed", message, { cause, topic }));
      }
    }
  }

  /** The connection has lasted: earlier failures do not count any more. */
  #proved() {
    this.#attempts = 0;
    this.#reports.clear();
  }

  // Liveness

  #noAnswer(time) {
    return new RealtimeError("no_answer", `${this.#owner.baseUrl} did not answer within ${time} ms.`);
  }

  /** The network or the visibility of the page has changed: see whether the daemon answers. */
  #look = (event) => {
    if (event.type === "visibilitychange" && globalThis.document.hidden) return;
    if (this.isOpen) {
      this.#liveness.probe();
    } else if (this.#phase === "waiting" && event.type !== "offline") {
      if (event.type === "online") {
        this.#attempts = 0;
        this.#diagnosis.reset();
      }
      this.#hasten();
    }
  };

  /** Try again now, but not before the time that the daemon said, nor too soon after an attempt. */
  #hasten() {
    const wait = this.#earliest - performance.now();
    clearTimeout(this.#timer);
    if (wait > 0) this.#timer = setTimeout(() => this.#begin(), wait);
    else this.#begin();
  }

  #listen(change) {
    globalThis[change]?.("online", this.#look);
    globalThis[change]?.("offline", this.#look);
    globalThis.document?.[change]?.("visibilitychange", this.#look);
  }

  // After a connection

  async #lost(code, reason = "", error = undefined) {
    const wasOpen = this.isOpen;
    const isMute = wasOpen && this.#choice.isMute(this.#wasHeard, code);
    const turn = this.#enter("deciding");
    const delay = this.#delay ?? readReason(reason).delay;
    if (code === TOKEN_CLOSE) error = this.#tokenError;
    const isMended = wasOpen && code === TOO_LARGE_CLOSE && this.#withoutTheLargest(reason);
    if (wasOpen) this.#owner.closed();
    if (!wasOpen) {
      error ??= await this.#diagnosis.failed();
    } else if (isMute && turn === this.#turn) {
      // The answer, and the next connection, may take long.
      this.#setStatus("reconnecting", { error: error ?? closedError(code, reason) });
      if (turn === this.#turn) error = (await this.#diagnosis.refusal()) ?? error;
    }
    if (turn !== this.#turn) return;
    error ??= closedError(code, reason);
    if ((!wasOpen || isMute) && this.#choice.failed(error)) {
      this.#begin();
    } else if (FINAL_CLOSES.has(code) && !isMended) {
      this.#reports.add(error);
      this.#stop(error);
    } else if (code === TOKEN_CLOSE || TOKEN_ERRORS.has(error.code)) {
      await this.#renew(turn, error);
    } else {
      // A connection that ended is no error, as long as another one follows.
      if (error.code !== "closed") this.#reports.add(error);
      if (turn === this.#turn) this.#wait(error, delay ?? readDelay(error.retryAfter));
    }
  }

  /** Whether the frame that was too large was found, and will not be sent again. */
  #withoutTheLargest(reason) {
    const { limit } = readReason(reason);
    const bound = limit === undefined ? "" : `, at most ${limit} bytes`;
    return this.#owner.tooLarge(limit, `It is more than the daemon takes in one frame${bound}.`);
  }

  async #renew(turn, error) {
    this.#setStatus("reconnecting", { error });
    let renewed;
    try {
      renewed = await this.#owner.renew(error);
    } catch (cause) {
      if (turn !== this.#turn) return;
      this.#reports.add(
        new RealtimeError("token_failed", `onTokenExpired gave no token: ${cause}`, { cause }),
      );
      if (turn === this.#turn) this.#wait(error);
      return;
    }
    if (turn !== this.#turn) return;
    this.#diagnosis.reset();
    if (renewed) {
      this.#comeBackSoon(error);
      return;
    }
    this.#enter("tokenless");
    this.#giveUpOpening(error);
    this.#setStatus("disconnected", { error });
    this.#reports.add(
      new RealtimeError(error.code, `${error.message} Call setToken(), or pass onTokenExpired.`),
    );
  }

  /** Try at once, but only the first time: the daemon may refuse the new token, too. */
  #comeBackSoon(error = undefined) {
    if (this.#attempts > 0) return this.#wait(error);
    this.#attempts = 1;
    this.#begin();
  }

  #wait(error, announced = undefined) {
    const { maxReconnectAttempts } = this.#options;
    if (this.#attempts >= maxReconnectAttempts) {
      const enough = new RealtimeError(
        "max_retries",
        `Gave up after ${maxReconnectAttempts} attempts to come back.`,
        { cause: error },
      );
      this.#reports.add(enough);
      this.#stop(enough);
      this.#owner.gaveUp();
      return;
    }
    const { reconnectDelay, maxReconnectDelay } = this.#options;
    const delay = announced ?? backoff(this.#attempts, reconnectDelay, maxReconnectDelay);
    // Without a network an attempt says nothing about the daemon.
    if (globalThis.navigator?.onLine !== false) this.#attempts += 1;
    this.#enter("waiting");
    this.#earliest =
      announced === undefined ? this.#beganAt + reconnectDelay : performance.now() + announced;
    this.#timer = setTimeout(() => this.#begin(), delay);
    this.#giveUpOpening(error);
    this.#setStatus("reconnecting", { error, delay });
  }

  /** Make no further attempt, until the application asks for one. */
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

  /**
   * Enter a phase, and end everything of the phase before.
   *
   * @param {any} keep  The socket to keep; another one is closed.
   */
  #enter(phase, keep = null) {
    clearTimeout(this.#timer);
    clearTimeout(this.#stableTimer);
    clearTimeout(this.#lateTimer);
    this.#stableTimer = undefined;
    this.#liveness.stop();
    const socket = this.#socket;
    if (socket !== keep) {
      this.#socket = keep;
      // A socket that the client closes may take long to say so.
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
}
