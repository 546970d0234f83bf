"""
The messages that let one client have one session; see L{aerostack.interfaces.clients.IClients}.
"""

from __future__ import annotations

from msgspec import Struct


class Opened(Struct, frozen=True, array_like=True, tag=72):
    """
    A client has opened a session at a worker.

    @ivar connectionId: The session's connection.
    @ivar project: The project's id.
    @ivar client: The hash of the client's session secret.
    @ivar userId: The user; L{None} for a client without a name.
    @ivar at: When, seconds.  All processes of a machine have this clock.
    """

    connectionId: str
    project: str
    client: str
    userId: str | None
    at: float


class Changed(Struct, frozen=True, array_like=True, tag=73):
    """
    A session's client is another user now.
    """

    connectionId: str
    userId: str | None


class Closed(Struct, frozen=True, array_like=True, tag=74):
    """
    A session is over.
    """

    connectionId: str


class Yield(Struct, frozen=True, array_like=True, tag=75):
    """
    The hub says that a session's client has a newer one at another worker.
    """

    connectionId: str


KINDS: tuple[type[Struct], ...] = (Opened, Changed, Closed, Yield)
