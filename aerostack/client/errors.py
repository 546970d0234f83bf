"""
What goes wrong between a client and the daemon.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

CLIENT_ERRORS: dict[str, str] = {
    "unreachable": "The daemon cannot be reached, or the connection broke before the answer came."
    " Whether the daemon acted on a call is not known.",
    "timed_out": "The answer did not come in time."
    " Whether the daemon acted on a call is not known.",
    "tls_failed": "The daemon's certificate cannot be trusted, or the server does not speak TLS."
    " The message says which. The call is not repeated.",
    "bad_answer": "The server is no aerostack-rt daemon. The message shows its answer.",
    "closed": "The daemon closed the connection. The message has the close code and the reason.",
    "queue_full": "Too many publications wait for an answer, or too many frames for the"
    " application. The message says which.",
    "unsubscribed": "The channel was unsubscribed before the daemon answered its subscription.",
    "stopped": "The client was stopped before the answer came.",
}
"""The codes that a client's errors have besides those of L{aerostack.errors.ERRORS}."""

LONGEST_DELAY = 4200.0
"""Seconds for which a client stays away at most, whatever the daemon says: the largest sum of
C{server.restart_time} and C{server.reconnect_spread}."""


class ClientError(Exception):
    """
    An error of the client, or of the daemon.

    @ivar code: One of L{CLIENT_ERRORS}, or a code of the daemon: one of
        L{aerostack.errors.ERRORS}.
    @ivar message: One sentence: what was wrong and what to do.
    @ivar retryAfter: Milliseconds after which another attempt may succeed; L{None} if that is
        not known.
    @ivar details: What else an HTTP answer of the daemon says, or its error C{stale}: C{pos} and
        C{data} of the key's value.
    """

    def __init__(
        self,
        code: str,
        message: str,
        retryAfter: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
        self.details: Mapping[str, Any] = details or {}

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    @property
    def kind(self) -> str | None:
        """What the database refused, of an error of C{db.query}: a name of
        L{aerostack.errors.SQL_KINDS}."""
        return self.details.get("kind")

    @property
    def sqlstate(self) -> str | None:
        """PostgreSQL's code, of an error of C{db.query}, if PostgreSQL gave one."""
        return self.details.get("sqlstate")


class Unsent(ClientError):
    """
    The request did not reach the daemon: asking again does no harm.
    """


def seconds(milliseconds: object) -> float | None:
    """
    Read a time to wait, in milliseconds, that came from outside.

    @return: Seconds, at most L{LONGEST_DELAY}; L{None} if it is no time.
    """
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    if not math.isfinite(milliseconds) or milliseconds < 0:
        return None
    return min(milliseconds / 1000, LONGEST_DELAY)


def wholeNumber(header: str | None) -> int | None:
    """
    Read a number from a header.

    @return: L{None} if the header has no whole number.
    """
    found = re.fullmatch(r"[0-9]{1,15}", (header or "").strip())
    return int(found[0]) if found else None


def refusal(status: int, retryAfter: str | None, body: bytes) -> ClientError:
    """
    Read an HTTP answer that is a refusal.

    @param retryAfter: The header C{Retry-After}, if there was one.
    @param body: Its body; the daemon writes there what was wrong.
    """
    said: dict[str, Any] = {}
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = None
    if isinstance(decoded, dict):
        said = decoded
    wait = seconds(said.get("retryAfter"))
    if wait is None:
        inSeconds = wholeNumber(retryAfter)
        wait = None if inSeconds is None else seconds(inSeconds * 1000)
    milliseconds = None if wait is None else int(wait * 1000)
    code, message = said.get("error"), said.get("message")
    if isinstance(code, str) and isinstance(message, str):
        known = ("error", "message", "retryAfter")
        details = {name: value for name, value in said.items() if name not in known}
        return ClientError(code, message, milliseconds, details)
    if status in (502, 503, 504):
        # A proxy that does not reach the daemon.
        return ClientError("unreachable", f"HTTP status {status} and no reason.", milliseconds)
    return ClientError(
        "bad_answer",
        f"HTTP status {status}, but not as an aerostack-rt daemon says it: {excerpt(body)}",
        milliseconds,
    )


def excerpt(data: bytes) -> str:
    """
    The beginning of some bytes that came, for a message.
    """
    text = data[:80].decode("utf-8", "replace")
    return f"{text!r}{'…' if len(data) > 80 else ''}"
