"""
What callers get when the server does not do what it should.
"""

from __future__ import annotations

from aerostack.engine.valkey.errors import NotConnected, ReplyError, Unanswered
from aerostack.errors import RealtimeError

LOST = (NotConnected, Unanswered)
"""Why a command has no result if the connection is gone."""

PASSING = frozenset(
    {
        *("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN"),
        *("MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN"),
    }
)
"""Errors of the server that pass."""

_OOM = "OOM command not allowed"
"""How a server without memory answers.  Redis before 7 wraps it if a script ran the command."""


def passes(error: BaseException | None) -> bool:
    """
    Whether a command that failed can be sent again as it was: it was not sent, was not answered, or
    was refused for now.
    """
    return not isinstance(error, ReplyError) or error.code in PASSING


def unavailable(message: str) -> RealtimeError:
    """
    The error for what the server does not do now.
    """
    return RealtimeError("engine_unavailable", message, 1000)


def errorOf(error: BaseException | None) -> RealtimeError:
    """
    What a client gets of an error of the server or of the history.
    """
    if isinstance(error, RealtimeError):
        return error
    if isinstance(error, ReplyError) and _OOM in f"{error.code} {error.message}":
        return RealtimeError("engine_full", "The engine's memory is full.", 1000)
    return unavailable("The engine does not serve the topic now.")
