"""
Every error code and every close code, in one place.

The codes are part of the protocol: they never change their meaning, clients may
switch on them.  C{docs/errors.rst} is checked against these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ErrorCode:
    """
    What one C{error.code} means.

    @ivar http: The HTTP status that carries this code where it is answered over
        HTTP.
    @ivar meaning: What was wrong and what to do, for the documentation.
    """

    http: int
    meaning: str


ERRORS: dict[str, ErrorCode] = {
    "invalid_json": ErrorCode(400, "The frame or body is not JSON. Send one JSON object."),
    "invalid_frame": ErrorCode(
        400, "A field is missing or has the wrong type. The message names the field."
    ),
    "invalid_filter": ErrorCode(
        400,
        "A subscription's filter, columns or event do not fit the table. The message names the"
        " column and says what is allowed.",
    ),
    "unknown_type": ErrorCode(400, "The frame's type is unknown, or clients may not send it."),
    "too_deep": ErrorCode(400, "The JSON is nested too deeply. Flatten it."),
    "too_large": ErrorCode(413, "The frame or body exceeds a configured limit. Send less."),
    "invalid_topic": ErrorCode(400, "The topic is malformed. The message says where."),
    "invalid_event": ErrorCode(400, "The event name is empty, too long, malformed or reserved."),
    "invalid_arguments": ErrorCode(400, "A parameter or argument is missing or malformed."),
    "sql_error": ErrorCode(
        400,
        "The database refused the statement. The message has the database's reason, and kind is"
        " its kind.",
    ),
    "unauthorized": ErrorCode(401, "A credential is missing or unknown."),
    "invalid_token": ErrorCode(401, "The token is malformed, unsigned, or signed by another key."),
    "token_expired": ErrorCode(401, "The token has expired. Send a fresh one with auth."),
    "token_revoked": ErrorCode(401, "The token was revoked; the message says why. Get a new one."),
    "keys_unavailable": ErrorCode(
        503,
        "The identity provider's key set did not come, or did not have the token's key yet. Wait"
        " retryAfter ms.",
    ),
    "disconnected": ErrorCode(
        403, "A server disconnected the user. The message has the server's reason."
    ),
    "forbidden": ErrorCode(403, "The credential is valid, but does not allow this."),
    "wrong_project": ErrorCode(403, "The topic or credential belongs to another project."),
    "origin_not_allowed": ErrorCode(403, "The page's origin is not in the project's origins."),
    "table_not_allowed": ErrorCode(403, "The table is not in tracker.tables, or is internal."),
    "query_disabled": ErrorCode(403, "db.query is turned off for this project."),
    "unknown_project": ErrorCode(404, "No project of that id is configured."),
    "unknown_session": ErrorCode(
        404,
        "No connection over server-sent events has this session, or it has ended. Open another.",
    ),
    "unknown_table": ErrorCode(404, "The database has no table of that name."),
    "unknown_method": ErrorCode(404, "The RPC has no method of that name."),
    "unknown_model": ErrorCode(404, "The project may use no model of that name."),
    "not_found": ErrorCode(404, "Nothing is served under that path."),
    "method_not_allowed": ErrorCode(405, "The path is served, but not for this HTTP method."),
    "untrackable_table": ErrorCode(
        400, "The table exists, but the daemon cannot watch it. The message says why."
    ),
    "table_lost": ErrorCode(
        409,
        "The subscribed table was dropped, renamed or rebuilt. The subscription stays and "
        "continues when the table exists again. Reload the table's rows.",
    ),
    "view_changed": ErrorCode(
        409,
        "The client's permissions for the table changed while the daemon was sending missed "
        "changes. Subscribe again with the last pos.",
    ),
    "upgrade_required": ErrorCode(426, "The path is a WebSocket. Connect with a ws client."),
    "too_many_subscriptions": ErrorCode(
        429,
        "The connection, or the project, has as many subscriptions as it may have. The message "
        "says which.",
    ),
    "too_many_connections": ErrorCode(
        429,
        "The daemon, the project or the client's address has as many connections as it may "
        "have. The message says which.",
    ),
    "too_many_streams": ErrorCode(
        429,
        "As many token streams run on the topic, in the project or in the daemon's memory as may "
        "run. Wait retryAfter ms.",
    ),
    "stream_unknown": ErrorCode(
        404, "No token stream of that id runs, and what has ended was not kept."
    ),
    "stream_busy": ErrorCode(
        409,
        "Another producer has the token stream. Wait retryAfter ms, or start with takeover.",
    ),
    "stream_fenced": ErrorCode(
        409, "Another producer has taken the token stream over since. Send no more of it."
    ),
    "stream_gap": ErrorCode(
        409,
        "The text begins behind what the daemon has of the part, or the stream is to end with more "
        "than it has. Go on from length, which the error has.",
    ),
    "stream_mismatch": ErrorCode(
        409, "The daemon has other text or another kind of part at that place. Start a new stream."
    ),
    "stream_ended": ErrorCode(
        409, "The token stream has ended; the error has its state. Send no more of it."
    ),
    "history_full": ErrorCode(
        409,
        "The topic has as many kept messages as it may have, and they do not expire. Publish one "
        "that replaces them.",
    ),
    "stale": ErrorCode(
        409,
        "The key does not have the value that the publication expects. The error has the pos and "
        "the data of the present one.",
    ),
    "state_full": ErrorCode(
        409,
        "The keyed topic, or the project, has as many keys or bytes of values as it may have. The "
        "message says which. Remove values.",
    ),
    "rate_limited": ErrorCode(
        429,
        "The connection or its project sends faster than allowed. The daemon did not act on "
        "this frame. Wait retryAfter ms.",
    ),
    "rule_mismatch": ErrorCode(
        500,
        "The configured rule does not fit the table, so no client may read it. The daemon's log "
        "says why.",
    ),
    "internal_error": ErrorCode(500, "The daemon failed. Its log has the details."),
    "model_refused": ErrorCode(
        400, "The model refused the request. Its messages or parameters do not fit the model."
    ),
    "model_failed": ErrorCode(
        502, "The model did not answer, or broke its answer off. The daemon's log says how."
    ),
    "overloaded": ErrorCode(
        503, "The daemon has too much work now. Wait retryAfter ms and try again."
    ),
    "lagging": ErrorCode(
        503,
        "The client reads more slowly than frames arrive. The daemon closes with 4008 if the "
        "client does not catch up.",
    ),
    "history_expired": ErrorCode(
        503,
        "Kept messages were deleted while the daemon was sending them. Subscribe again with the "
        "last pos; the answer has the gap.",
    ),
    "database_unavailable": ErrorCode(503, "The database did not answer. Try again."),
    "engine_unavailable": ErrorCode(
        503,
        "The engine between the daemons did not answer, or the daemon of a token stream is gone. "
        "Try again after retryAfter ms.",
    ),
    "engine_full": ErrorCode(
        503, "The engine between the daemons has no memory left. Try again after retryAfter ms."
    ),
    "shutting_down": ErrorCode(
        503, "The daemon is stopping. Connect again after retryAfter ms, if the answer has it."
    ),
}


SQL_KINDS: dict[str, str] = {
    "unique_violation": "There is a row with the same key already.",
    "foreign_key_violation": "Another table has no such row, or still needs the row.",
    "not_null_violation": "A column that needs a value has none.",
    "check_violation": "A value does not meet a CHECK.",
    "constraint_violation": "Another constraint does not hold.",
    "raised": "A trigger or a function of the database has refused it.",
    "syntax_error": "The statement is malformed, or there are several.",
    "undefined": "There is no table, column, function or type of that name.",
    "invalid_value": "A value has the wrong type, form or size.",
    "invalid_parameters": "The number of values is not that of the parameters.",
    "permission_denied": "The daemon's user of the database may not do that.",
    "not_allowed": "db.query does not allow it.",
    "too_large": "The result has more rows or bytes than the limits allow. Ask for fewer.",
    "timeout": "It took longer than limits.query_seconds.",
    "serialization_failure": "It collided with another transaction. Run it again.",
    "locked": "Another program holds a lock that it needs. Run it again.",
    "other": "Anything else.",
}
"""What C{kind} of an error of C{db.query} says, the same for every database."""


LONGEST = 2000
"""How many characters of a message a client gets."""


class RealtimeError(Exception):
    """
    An error for a client, with a code from L{ERRORS}.

    @ivar code: One of L{ERRORS}.
    @ivar message: One sentence: what was wrong and what to do.  Never carries a
        credential.
    @ivar retryAfter: Milliseconds after which trying again may help; L{None} if it will not.
    @ivar details: What else the client gets with the error, plain data by the names of fields;
        C{bytes} are JSON.
    """

    def __init__(
        self,
        code: str,
        message: str,
        retryAfter: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        if code not in ERRORS:
            raise ValueError(f"{code!r} is not a documented error code")
        if len(message) > LONGEST:
            # The message may quote what a client sent, and goes into answers and into the log.
            message = f"{message[:LONGEST]} (and more)."
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
        self.details = details or {}

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def http(self) -> int:
        """The HTTP status that carries this error."""
        return ERRORS[self.code].http


class GivenUp(RealtimeError):
    """
    The daemon stops and no longer waits for the database.  That is not a fault.
    """


class TakenElsewhere(Exception):
    """
    Another daemon has published the event of a transaction.
    """


@dataclass(frozen=True)
class CloseCode:
    """
    What one WebSocket close code means for the client that receives it.

    @ivar reconnect: Whether connecting again can help.
    @ivar resume: Whether the client's position still holds, so that it can resume from there.
    @ivar meaning: Why the daemon closed.
    """

    reconnect: bool
    resume: bool
    meaning: str


CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_UNSUPPORTED = 1003
CLOSE_INTERNAL = 1011
CLOSE_TOKEN = 4001
CLOSE_SILENT = 4002
CLOSE_REVOKED = 4003
CLOSE_SLOW = 4008
CLOSE_SUPERSEDED = 4009
CLOSE_DISCONNECTED = 4010
CLOSE_FLOOD = 4029

# 1002, 1007 and 1009 are sent by the WebSocket library, by RFC 6455, 7.4.1.
#
# A position belongs to a topic's log, not to a connection, so no close ends it.  If a restart
# has lost a part of the log, the daemon says so when the client resumes.
CLOSE_CODES: dict[int, CloseCode] = {
    CLOSE_NORMAL: CloseCode(False, True, "The client closed, and the daemon answered."),
    CLOSE_GOING_AWAY: CloseCode(
        True, True, "The daemon is stopping or restarting. Reconnect after its delay."
    ),
    1002: CloseCode(False, True, "The client broke RFC 6455."),
    CLOSE_UNSUPPORTED: CloseCode(
        False, True, "The client sent a binary frame; the protocol is JSON text."
    ),
    1007: CloseCode(False, True, "A text frame was not valid UTF-8."),
    1009: CloseCode(False, True, "A frame was larger than limits.frame_bytes."),
    CLOSE_INTERNAL: CloseCode(True, True, "The daemon failed while serving this connection."),
    CLOSE_TOKEN: CloseCode(
        True, True, "The token expired, was revoked or was refused. Get a new one first."
    ),
    CLOSE_SILENT: CloseCode(True, True, "The client answered no ping within limits.pong_timeout."),
    CLOSE_REVOKED: CloseCode(
        False,
        True,
        "The client's key, project, origin or anonymous access is no longer allowed.",
    ),
    CLOSE_SLOW: CloseCode(
        True, True, "The client read too slowly; limits.outbox_bytes were unsent."
    ),
    CLOSE_SUPERSEDED: CloseCode(
        False, True, "The same client, by its session secret, has opened a newer connection."
    ),
    CLOSE_DISCONNECTED: CloseCode(
        True, True, "A server disconnected the user. The close has the server's reason."
    ),
    CLOSE_FLOOD: CloseCode(False, True, "The client kept sending after it was rate limited."),
}
