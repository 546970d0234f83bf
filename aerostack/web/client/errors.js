/**
 * What goes wrong between the client and the daemon.
 */

/** An error with a code that stays the same from version to version. */
export class RealtimeError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ cause?: unknown, retryAfter?: number, topic?: string, id?: string, closeCode?: number }}
   *   details
   */
  constructor(code, message, details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "RealtimeError";
    this.code = code;
    /** Milliseconds after which another attempt may help. */
    this.retryAfter = details.retryAfter;
    /** The topic that it is about. */
    this.topic = details.topic;
    /** The id of the publication that it is about. */
    this.id = details.id;
    /** The code with which the connection was closed. */
    this.closeCode = details.closeCode;
  }
}
