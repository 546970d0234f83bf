/**
 * What the parts of the client need of each other. These are types only: no code imports this file
 * when it runs.
 */

/**
 * Reports an error to the application.
 *
 * @callback Report
 * @param {import("./errors.js").RealtimeError} error
 * @returns {void}
 */

/**
 * The client's options of the connection. Times are in milliseconds.
 *
 * @typedef {object} Settings
 * @property {number} maxReconnectAttempts
 * @property {number} reconnectDelay
 * @property {number} maxReconnectDelay
 * @property {number} connectTimeout
 * @property {number} pingInterval
 * @property {number} pongTimeout
 * @property {number} maxQueue
 * @property {string} transport  `auto`, `websocket` or `sse`.
 */

/**
 * What a connection needs of the session.
 *
 * @typedef {object} ConnectionOwner
 * @property {any} WebSocket  The application's WebSocket class; `undefined` for the usual one.
 * @property {string} baseUrl  The daemon's address, for errors.
 * @property {() => string} url  The address for the next attempt.
 * @property {() => string[]} protocols  The subprotocols for the next attempt.
 * @property {() => any} openEvents  Begins a connection over server-sent events, as a WebSocket.
 * @property {(transport: "websocket" | "sse") => void} transportChanged  The client has connected
 *   otherwise than before.
 * @property {() => Promise<import("./errors.js").RealtimeError>} diagnose  Finds why a WebSocket did
 *   not open, which browsers do not say.
 * @property {(error: Error) => Promise<boolean>} renew  Gets a new token after the daemon refused
 *   the last one. Gives whether there is a new one; throws what the application throws.
 * @property {(limit: number | undefined, why: string) => boolean} tooLarge  The daemon closed the
 *   connection because a frame was larger than `limit` bytes. Gives whether the frame was found and
 *   will not be sent again.
 * @property {() => void} opened  There is a new connection.
 * @property {() => void} closed  An open connection was closed.
 * @property {(frame: any) => void} received  A frame came.
 * @property {(topic?: string, pos?: string, view?: string) => void} unreadable  A frame came that
 *   cannot be read.
 * @property {(error: Error) => void} stopped  There will be no further attempt, unless the
 *   application asks for one.
 * @property {() => void} gaveUp  Too many attempts have failed.
 * @property {(status: string, detail: { error?: Error, delay?: number }) => void} statusChanged
 * @property {Report} report
 */

/**
 * A part of the client that sends frames, through the pacer.
 *
 * @typedef {object} Sender
 * @property {() => string | null} next  Takes the next frame, as JSON; `null` when no frame waits. The
 *   caller sends it.
 * @property {(error: import("./errors.js").RealtimeError, request?: string) => void} refused  The
 *   frame that `next` gave is larger than the daemon takes. `request` is its type.
 */

/**
 * What topics, channels and the outbox need of the session.
 *
 * @typedef {object} SessionHost
 * @property {Report} report
 * @property {(sender: Sender) => void} touch  Look again whether a part has a frame to send, and
 *   whether a topic is in use.
 * @property {(answered: (isAnswer: boolean) => void) => void} ping  Send a ping. Calls back when the
 *   daemon has dealt with all frames before it.
 * @property {(name: string, options?: Record<string, any>) => import("./topic.js").Topic} activate
 *   Take a topic into use; with the options of a channel, a subscription that suits these.
 * @property {(name: string) => import("./topic.js").Topic[]} siblings  The subscriptions of a topic.
 * @property {(name: string) => Iterable<any>} present  The channels that are present on a topic.
 * @property {(topic: import("./topic.js").Topic, channel?: object) => void} release  Forget a topic
 *   that is not in use, and a channel that has ended.
 * @property {(channel: object) => void} keep  A channel has something to remember: keep it.
 * @property {(topic: string, event: string, data: any, options?: Record<string, any>) => Promise<any>}
 *   publish
 * @property {(topic: string, stream: string) => Promise<any>} cancel  Cancel a stream.
 * @property {(topic: string, limit?: number, before?: number) => Promise<any[]>} getHistory
 * @property {(stream: string) => Promise<any>} readStream  Read a stream that has ended.
 */

export {};
