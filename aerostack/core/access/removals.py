"""
What a server can ask for to remove a user: to close the user's connections, and to refuse the
user's tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.core.topics.topics import isPrintable

REASON_BYTES = 123
"""How many bytes of UTF-8 a reason may have.  A close frame has no room for more."""

APPLICATION_CODES = range(4100, 5000)
"""The close codes that an application may give a meaning.  The daemon never uses one by itself."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """
    Close every connection of a user, or one of them.

    @ivar project: The project's id.
    @ivar userId: The user; L{None} for a connection without a user.
    @ivar code: The close code.
    @ivar reason: What the client gets as the reason; perhaps empty.
    @ivar connection: The id of the only connection that is closed; L{None} for all.
    """

    project: str
    userId: str | None
    code: int
    reason: str
    connection: str | None = None


@dataclass(frozen=True, slots=True)
class Revocation:
    """
    Refuse tokens of a user, and close the connections that were opened with them.

    @ivar project: The project's id.
    @ivar userId: The user.
    @ivar tokenId: The C{jti} of the only token that is refused; L{None} for the tokens that were
        issued before C{before}.
    @ivar before: Milliseconds since the epoch.  A token that does not say when it was issued counts
        as issued before.
    @ivar until: When the revocation ends, milliseconds since the epoch.
    @ivar reason: What the client gets as the reason; perhaps empty.
    """

    project: str
    userId: str
    tokenId: str | None
    before: int
    until: int
    reason: str


def checkReason(reason: str) -> None:
    """
    Check a reason that clients get.

    @raise ValueError: A client cannot get it; the message says why.
    """
    # No character has less than one byte, and a lone surrogate has none.
    if len(reason) > REASON_BYTES or not isPrintable(reason):
        raise ValueError(f"is at most {REASON_BYTES} bytes of printable text")
    if len(reason.encode()) > REASON_BYTES:
        raise ValueError(f"is at most {REASON_BYTES} bytes of printable text")


def checkCode(code: int) -> None:
    """
    Check the close code of an application.

    @raise ValueError: An application cannot use it; the message says why.
    """
    if code not in APPLICATION_CODES:
        raise ValueError(f"is a number from {APPLICATION_CODES[0]} to {APPLICATION_CODES[-1]}")
