"""
How a connection was closed, and whether the client connects again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aerostack.client.errors import ClientError, refusal, seconds
from aerostack.errors import CLOSE_CODES, CLOSE_TOKEN, ERRORS

# HTTP statuses below 500 after which another attempt may succeed (RFC 9110, 15.5): too slow, too
# early, too many.
_PASSING = (408, 425, 429)

# The close code of RFC 6455, 7.4.1, for a frame that is too large.
_TOO_LARGE = 1009

_MOST = re.compile(r"at most (\d{1,15}) bytes")
_DELAY = re.compile(r"reconnect in (\d+) ms")


@dataclass(frozen=True)
class Closing:
    """
    How a connection was closed, or why it could not be opened.

    @ivar error: The error that the application gets.
    @ivar again: Whether another attempt can succeed.
    @ivar token: Whether an attempt with another token can succeed.
    @ivar oversized: Whether a frame of the client was too large.
    @ivar most: The bytes that a frame may have, if the daemon said so.
    @ivar delay: The seconds after which the client may come back, if the daemon said so.
    """

    error: ClientError
    again: bool = True
    token: bool = False
    oversized: bool = False
    most: int | None = None
    delay: float | None = None


def broken(reason: str) -> Closing:
    """
    The connection was lost without a close frame, or could not be opened.
    """
    return Closing(ClientError("unreachable", reason))


def refused(status: int, retryAfter: str | None, body: bytes) -> Closing:
    """
    The daemon answered the opening with an HTTP error.

    @param retryAfter: The header C{Retry-After}, if there was one.
    """
    error = refusal(status, retryAfter, body)
    return Closing(
        error,
        again=status >= 500 or status in _PASSING,
        token=status == 401,
        delay=seconds(error.retryAfter),
    )


def closed(code: int | None, reason: str | None) -> Closing:
    """
    The daemon closed the connection, with the code and reason of its close frame.
    """
    known = CLOSE_CODES.get(code or 0)
    told = _DELAY.search(reason or "")
    most = _MOST.search(reason or "")
    words = reason or (known.meaning.rstrip(".") if known else "no reason")
    return Closing(
        ClientError(
            reason if reason in ERRORS else "closed",
            f"The daemon closed the connection with {code or 'no code'}: {words}.",
        ),
        # A code that is not in the table may be from a proxy.
        again=known is None or (known.reconnect and code != CLOSE_TOKEN),
        token=code == CLOSE_TOKEN,
        oversized=code == _TOO_LARGE,
        most=int(most[1]) if most else None,
        delay=seconds(int(told[1])) if told else None,
    )
