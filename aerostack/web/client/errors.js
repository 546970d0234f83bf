/**
 * What goes wrong between the client and the daemon.
 */

/** An error with a code that stays the same from version to version. */
export class RealtimeError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ cause?: unknown, retryAfter?: number, topic?: string, id?: string, closeCode?: number,
   *   pos?: string | null, data?: any, kind?: string, sqlstate?: string }} details
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
    /** With `stale`: the position of the key's value; `null` if it has none. */
    this.pos = details.pos;
    /** With `stale`: the key's value. */
    this.data = details.data;
    /** With an error of `db.query`: what the database refused, the same for every database. */
    this.kind = details.kind;
    /** With `kind`: PostgreSQL's code, if PostgreSQL gave one. */
    this.sqlstate = details.sqlstate;
  }
}

/** The error for an answer of another server than the daemon. */
export function foreignAnswer(url, status) {
  // So a proxy answers that does not reach the daemon (RFC 9110, 15.6.3 to 15.6.5).
  return status >= 502 && status <= 504
    ? new RealtimeError("unreachable", `A proxy at ${url} does not reach the daemon (HTTP ${status}).`)
    : new RealtimeError("wrong_server", `The server at ${url} is no aerostack-rt daemon (HTTP ${status}).`);
}
