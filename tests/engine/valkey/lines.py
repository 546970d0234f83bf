"""
Connections to a real server, for tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from aerostack.engine.valkey.resp import WAITING_BYTES, RespConnection
from tests.engine.valkey.server import ValkeyServer


async def until(condition: Callable[[], Any]) -> None:
    """
    Wait until something is true.
    """
    while not condition():
        await deferLater(reactor, 0.005, lambda: None)


class Recorder:
    """
    Keeps what a connection tells its user.

    @ivar pushes: What was pushed.
    @ivar reasons: Why the connection was lost.
    """

    def __init__(self) -> None:
        self.pushes: list[list[Any]] = []
        self.reasons: list[str] = []

    def heard(self) -> None:
        """See L{aerostack.engine.valkey.resp.LineUser}."""

    def pushed(self, push: list[Any]) -> None:
        """See L{aerostack.engine.valkey.resp.LineUser}."""
        self.pushes.append(push)

    def lost(self, reason: str) -> None:
        """See L{aerostack.engine.valkey.resp.LineUser}."""
        self.reasons.append(reason)


async def openConnection(
    test: TestCase,
    server: ValkeyServer,
    bound: int = WAITING_BYTES,
    username: str | None = None,
    password: str | None = None,
) -> tuple[RespConnection, Recorder]:
    """
    Connect to a server through its socket and log in.  The connection is closed when the test is
    over.
    """
    recorder = Recorder()
    connection = await connectProtocol(
        UNIXClientEndpoint(reactor, server.path), RespConnection(reactor, recorder, bound)
    )

    def leave() -> Deferred[None]:
        connection.close("The test is over.")
        return Deferred.fromCoroutine(until(lambda: not connection.transport.connected))

    test.addCleanup(leave)
    await connection.hello("test", username, password)
    return connection, recorder
