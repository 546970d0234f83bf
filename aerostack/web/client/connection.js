/**
 * The WebSocket to the daemon, and its life.
 */

import { backoff } from "./backoff.js";
import { RealtimeError, defer } from "./common.js";
import { readFrame } from "./frames.js";
import { Pulse } from "./liveness.js";

// Close codes after which coming back would not help, and the one that wants a new token first.
const FINAL_CLOSES = new Set([1000, 1002, 1003, 1007, 1009, 4003, 4009, 4029]);
const TOKEN_CLOSE = 4001;
// This one helps if what was too large is not sent again.
const TOO_LARGE_CLOSE = 1009;
const TOKEN_ERRORS = new Set(["token_expired", "invalid_token"]);

// A connection that lives this long was a good one.
const STABLE_AFTER = 5000;
// No daemon wants a client back later than this; a larger number is a mistake.
const LONGEST_DELAY = 3_600_000;
// Of so many openings in a row that fail one is asked about over HTTP, beginning with the first.
const ASK_EVERY = 3;

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

/** A delay that the daemon told, if it is one. */
function readDelay(value) {
  return Number.isFinite(value) && value >= 0 ? Math.min(value, LONGEST_DELAY) : undefined;
}

/** A number in the reason of a close. */
function find(pattern, reason) {
  const found = pattern.exec(reason);
  return found ? Number(found[1]) : undefined;
}

/**
 * The WebSocket, from the first attempt to the last.
 *
 * Its owner is asked for what an attempt needs (`url`, `protocols`, `WebSocket`), why one may
 * have been refused (`diagnose`), for a new token (`renew`) and whether it can do without what was
 * too large (`tooLarge`), and is told what happens (`opened`, `closed`, `received`, `unreadable`,
 * `stopped`, `statusChanged`, `report`).
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
  // Openings that failed in a row, and what the last question about one of them gave.
  #failures = 0;
  #known;
  // When the last attempt began, and before when the next one must not.
  #beganAt = 0;
  #soonest = 0;
  #pulse;
  // What the daemon said before it closes: when to come back, and what is wrong with the token.
  #told;
  #tokenError;
  #reported = new Set();

  constructor(owner, options) {
    this.#owner = owner;
    this.#options = options;
    this.#pulse = new Pulse(
      (frame) => this.send(frame),
      (time) => this.#lost(undefined, undefined, this.#noAnswer(time)),
      options,
    );
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
      this.#attempts = this.#failures = 0;
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

  /** Send a frame, which is JSON; return whether there is a connection. */
  send(frame) {
    if (this.isOpen) this.#socket.send(frame);
    return this.isOpen;
  }

  /** See `Pulse`. */
  ping(told) {
    this.#pulse.ping(told);
  }

  pingRefused() {
    this.#pulse.answered(false);
  }

  /** Go on with a new token. */
  renewed() {
    this.#failures = 0;
    if (this.#phase !== "tokenless") return;
    this.#setStatus("reconnecting");
    this.#comeBackSoon();
  }

  async #begin() {
    const turn = this.#enter("opening");
    this.#told = this.#tokenError = undefined;
    this.#beganAt = performance.now();
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
    this.#failures = 0;
    this.#pulse.start();
    this.#owner.opened();
    this.#opening?.resolve();
    this.#opening = null;
    this.#setStatus("connected");
  }

  #received(text) {
    const { frame, fault, topic, pos } = readFrame(text);
    if (fault !== undefined) {
      const shown = typeof text === "string" ? text.slice(0, 100) : typeof text;
      const message = `${this.#owner.url()} sent what is no frame of this protocol (${fault}): ${shown}`;
      this.#report(new RealtimeError("invalid_frame", message, { topic }));
      this.#owner.unreadable(topic, pos);
      return;
    }
    // A newer daemon may say more than is known here.
    if (frame === null) return;
    this.#pulse.heard();
    this.#stableTimer ??= setTimeout(() => this.#settled(), STABLE_AFTER);
    if (frame.type === "reconnect") {
      this.#told = readDelay(frame.delay);
    } else if (frame.type === "pong") {
      this.#pulse.answered(true);
    } else if (frame.type === "error" && TOKEN_ERRORS.has(frame.code)) {
      this.#tokenError = new RealtimeError(frame.code, frame.message);
    } else {
      try {
        this.#owner.received(frame);
      } catch (cause) {
        // The client has a mistake. Another connection would not help.
        const message = `The client failed on a frame of the type ${frame.type}: ${cause}`;
        const { topic } = frame;
        this.#owner.report(new RealtimeError("client_failed", message, { cause, topic }));
      }
    }
  }

  /** It was a good connection: what comes next is a new story. */
  #settled() {
    this.#attempts = 0;
    this.#reported.clear();
  }

  // Liveness

  #noAnswer(time) {
    return new RealtimeError("no_answer", `${this.#owner.url()} did not answer within ${time} ms.`);
  }

  /** The network came, went or changed, or the page was woken: see what is left. */
  #look = (event) => {
    if (event.type === "visibilitychange" && globalThis.document.hidden) return;
    if (this.isOpen) {
      this.#pulse.probe();
    } else if (this.#phase === "waiting" && event.type !== "offline") {
      if (event.type === "online") this.#attempts = this.#failures = 0;
      this.#hasten();
    }
  };

  /** Come back now, but not before the time that the daemon said, and not attempt upon attempt. */
  #hasten() {
    const wait = this.#soonest - performance.now();
    clearTimeout(this.#timer);
    if (wait > 0) this.#timer = setTimeout(() => this.#begin(), wait);
    else this.#begin();
  }

  #listen(change) {
    globalThis[change]?.("online", this.#look);
    globalThis[change]?.("offline", this.#look);
    globalThis.document?.[change]?.("visibilitychange", this.#look);
  }

  // The end of a connection, and what comes after it

  async #lost(code, reason = "", error) {
    const wasOpen = this.isOpen;
    const turn = this.#enter("judging");
    const told = this.#told ?? readDelay(find(/reconnect in (\d+) ms/, reason));
    if (code === TOKEN_CLOSE) error = this.#tokenError;
    const isMended = wasOpen && code === TOO_LARGE_CLOSE && this.#withoutTheLargest(reason);
    if (wasOpen) this.#owner.closed();
    else error ??= await this.#askWhy();
    if (turn !== this.#turn) return;
    if (error === undefined) {
      const why = reason ? ` (${reason})` : "";
      error = new RealtimeError("closed", `The connection was closed with ${code}${why}.`, {
        closeCode: code,
      });
    }
    if (FINAL_CLOSES.has(code) && !isMended) {
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

  /** Why an opening failed.  A daemon in trouble is not asked about each. */
  async #askWhy() {
    this.#failures += 1;
    if (this.#failures % ASK_EVERY === 1) return (this.#known = await this.#owner.diagnose());
    // Its `retryAfter` was about that time.
    return new RealtimeError(this.#known.code, this.#known.message);
  }

  /** See whether all that was too large can be kept from being sent again. */
  #withoutTheLargest(reason) {
    const limit = find(/at most (\d+) bytes/, reason);
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
      this.#report(
        new RealtimeError("token_failed", `onTokenExpired gave no token: ${cause}`, { cause }),
      );
      if (turn === this.#turn) this.#wait(error);
      return;
    }
    if (turn !== this.#turn) return;
    this.#failures = 0;
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
    const { reconnectDelay, maxReconnectDelay } = this.#options;
    const delay = told ?? backoff(this.#attempts, reconnectDelay, maxReconnectDelay);
    // Where there is no network, an attempt says nothing of the server.
    if (globalThis.navigator?.onLine !== false) this.#attempts += 1;
    this.#enter("waiting");
    this.#soonest =
      told === undefined ? this.#beganAt + reconnectDelay : performance.now() + told;
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
    this.#pulse.stop();
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

  /** Tell of an error, each kind once of each topic until there is a connection again. */
  #report(error) {
    const kind = `${error.code} ${error.topic ?? ""}`;
    if (this.#reported.has(kind)) return;
    this.#reported.add(kind);
    this.#owner.report(error);
  }
}
