"""
What the hub and its workers say of their work: the configuration, the stop, and their health.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Certificate(Struct, frozen=True, array_like=True):
    """
    A certificate that a listener serves, as PEM.

    @ivar chain: More certificates of the chain, if they have a file of their own.
    """

    privateKey: bytes
    certificate: bytes
    chain: bytes | None


class Setup(Struct, frozen=True, array_like=True, tag=96):
    """
    The first message that a worker gets.

    @ivar config: The configuration, as L{aerostack.server.carried} encodes it.
    @ivar certificates: For each listener, in order; L{None} for one without TLS.
    @ivar isShared: Whether several nodes share their topics over an engine, which only the hub
        knows.
    """

    config: bytes
    certificates: list[Certificate | None]
    isShared: bool


class Reconfigure(Struct, frozen=True, array_like=True, tag=97):
    """
    A question: go by another configuration from now on.  It is answered with L{Done}.

    @ivar config: See L{Setup}.
    @ivar certificates: See L{Setup}.
    """

    config: bytes
    certificates: list[Certificate | None]


class Done(Struct, frozen=True, array_like=True, tag=98):
    """
    The answer: what was asked for is done.
    """


class Refuse(Struct, frozen=True, array_like=True, tag=99):
    """
    A question: let no more clients in, because the daemon stops.  It is answered with L{Clients}.
    """


class Clients(Struct, frozen=True, array_like=True, tag=100):
    """
    The answer to L{Refuse}.

    @ivar count: How many clients the worker has.
    """

    count: int


class SendAway(Struct, frozen=True, array_like=True, tag=101):
    """
    A question: send all clients away.  It is answered with L{Done} when that is done.

    @ivar elsewhere: How many clients the other workers send away meanwhile.
    """

    elsewhere: int


class Finish(Struct, frozen=True, array_like=True, tag=102):
    """
    A question: wait for the clients that were sent away, and end the work.  It is answered with
    L{Done} when no client is left.
    """


class Drop(Struct, frozen=True, array_like=True, tag=103):
    """
    Drop every client that is still there.
    """


class Status(Struct, frozen=True, array_like=True, tag=104):
    """
    What the hub knows of the daemon's health; see L{aerostack.server.health.NodeReports}.
    """

    faults: dict[str, str | None]
    notices: dict[str, str | None]
    nodes: list[dict[str, Any]]


KINDS = (Setup, Reconfigure, Done, Refuse, Clients, SendAway, Finish, Drop, Status)
