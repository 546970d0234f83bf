/**
 * The WebSocket class of the platform, and the opening of a WebSocket.
 */

import { RealtimeError } from "./errors.js";

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
