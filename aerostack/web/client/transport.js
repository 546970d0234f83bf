/**
 * The WebSocket class of the platform, the opening of a WebSocket, and what takes its place.
 */

import { RealtimeError } from "./errors.js";

// For so many milliseconds a client stays with server-sent events before it tries a WebSocket again.
const STAYS = 600_000;
// So many WebSockets in a row that open and bring no frame count as one that does not open.
const MUTE = 2;
// The code of a WebSocket that ends without a close frame.
const BROKEN = 1006;
// The errors after which a WebSocket may do better than server-sent events would.
const KEPT = new Set(["unreachable", "token_expired", "token_revoked", "invalid_token"]);

/** Decides how the client connects. */
export class Choice {
  /** @type {"websocket" | "sse"} */
  transport;
  #isFixed;
  #since = 0;
  #mute = 0;

  /** @param {string} wanted  `auto`, `websocket` or `sse`. */
  constructor(wanted) {
    this.#isFixed = wanted !== "auto";
    this.transport = wanted === "sse" ? "sse" : "websocket";
  }

  /** Whether the client may connect otherwise if a WebSocket does not open. */
  get hasOther() {
    return !this.#isFixed && this.transport === "websocket";
  }

  /** An attempt begins. */
  begin() {
    if (!this.#isFixed && performance.now() - this.#since > STAYS) this.transport = "websocket";
  }

  /**
   * An open connection is lost.
   *
   * @param {boolean} wasHeard  Whether it has brought a frame.
   * @param {number | undefined} code  Undefined if the client has given it up.
   * @returns {boolean} Whether WebSockets open and let nothing through.
   */
  isMute(wasHeard, code) {
    const passes = wasHeard || (code !== undefined && code !== BROKEN);
    this.#mute = passes || !this.hasOther ? 0 : this.#mute + 1;
    return this.#mute >= MUTE;
  }

  /**
   * An attempt has failed.
   *
   * @returns {boolean} Whether the other way is worth an attempt at once.
   */
  failed(error) {
    if (this.#isFixed) return false;
    if (this.transport === "sse") {
      // The daemon may be too busy, or too old, for both.
      if (!KEPT.has(error.code)) this.transport = "websocket";
      return false;
    }
    if (error.code !== "refused") return false;
    this.transport = "sse";
    this.#mute = 0;
    this.#since = performance.now();
    return true;
  }
}

/**
 * Find the WebSocket class of a browser or of Node.js.
 *
 * @throws {RealtimeError} `no_websocket`: there is none.
 */
export async function findWebSocket() {
  if (typeof globalThis.WebSocket === "function") return globalThis.WebSocket;
  // Bundlers must not find this name: only Node.js before 22 needs the package.
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

/**
 * Begin to open a WebSocket.
 *
 * @param {any} WebSocket  The class.
 * @param {string} url
 * @param {string[]} protocols  The subprotocols; perhaps none.
 */
export function openWebSocket(WebSocket, url, protocols) {
  return protocols.length ? new WebSocket(url, protocols) : new WebSocket(url);
}

/**
 * The error for an opening that could not even begin: the page must not open the WebSocket, there
 * is no class for it, or a credential has characters that cannot be sent.
 */
export function openingError(cause) {
  if (cause instanceof RealtimeError) return cause;
  return new RealtimeError("cannot_open", `The WebSocket cannot be opened: ${cause.message}`, {
    cause,
  });
}
