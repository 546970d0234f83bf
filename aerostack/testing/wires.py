"""
Connections between the Python client and a world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.closing import Closing, broken, closed, refused
from aerostack.client.interfaces import ITransport, ITransportUser
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IConnection
from aerostack.protocol.codec import encodeValue
from aerostack.sessions.session import Session
from aerostack.testing.connections import readFrames

Admit = Callable[[Address, Callable[[str], IConnection]], Session]
"""
Admits a client by its address: makes its connection, to which the daemon gives an id, and
begins its session.  It raises L{RealtimeError} if the daemon refuses the client, and
L{ConnectionRefusedError} if the daemon cannot be reached.
"""


class Entrance:
    """
    The parts of the daemon that a L{MemoryWire} needs.

    @ivar clock: The daemon's time.
    @ivar admit: Admits a client.
    @ivar wires: Every wire that is connected.
    """

    def __init__(self, clock: IReactorTime, admit: Admit) -> None:
        self.clock = clock
        self.admit = admit
        self.wires: list[MemoryWire] = []


@implementer(ITransport)
class MemoryWire:
    """
    A connection between a client and a L{World}.  Frames arrive in the next turn of the reactor, in
    both directions.
    """

    def __init__(self, entrance: Entrance, address: Address, user: ITransportUser) -> None:
        self._entrance = entrance
        self._address = address
        self._user = user
        self._session: Session | None = None
        self._over = False

    @property
    def session(self) -> str | None:
        """A hash of the client's session secret."""
        return self._address.session

    # From the client

    def open(self) -> None:
        self._later(self._enter)

    def send(self, payload: bytes) -> None:
        self._later(self._reach, payload)

    def close(self, code: int, reason: str) -> None:
        self._user.closeStarted()
        self._later(self._end, closed(code, reason), True)

    def abort(self) -> None:
        self._later(self._end, broken("The connection was dropped."), False)

    def cut(self) -> None:
        """
        Lose the connection without a close.
        """
        self._end(broken("The connection is gone."), False)

    # To the daemon

    def _enter(self) -> None:
        try:
            self._session = self._entrance.admit(self._address, self._connect)
        except ConnectionRefusedError:
            self._end(broken("The daemon cannot be reached."), False)
            return
        except RealtimeError as error:
            body = {"error": error.code, "message": error.message, "retryAfter": error.retryAfter}
            self._end(refused(error.http, None, encodeValue(body)), False)
            return
        self._entrance.wires.append(self)
        self._user.opened()

    def _connect(self, connectionId: str) -> IConnection:
        return _FarEnd(connectionId, self)

    def _reach(self, payload: bytes) -> None:
        if self._session is not None:
            self._session.heard()
            self._session.received(payload, False)

    # From the daemon

    def deliver(self, data: bytes) -> None:
        """
        Let the client receive what the daemon sends.
        """
        for received in readFrames(data):
            self._later(self._user.received, encodeValue(received))

    def pinged(self) -> None:
        """
        Send the client a ping, which it answers.
        """
        self._later(self._user.heard)
        if self._session is not None:
            self._later(self._session.heard)

    def left(self, closing: Closing) -> None:
        """
        Tell the client that the daemon has closed.
        """
        self._later(self._user.closeStarted)
        self._later(self._end, closing, False)

    def _later(self, call: Callable[..., None], *args: Any) -> None:
        def arrive() -> None:
            if not self._over:
                call(*args)

        self._entrance.clock.callLater(0, arrive)

    def _end(self, closing: Closing, clean: bool) -> None:
        self._over = True
        if self in self._entrance.wires:
            self._entrance.wires.remove(self)
        session, self._session = self._session, None
        if session is not None:
            session.closed(clean)
        self._user.closed(closing)


@implementer(IConnection)
class _FarEnd:
    """
    A L{MemoryWire} as the daemon sees it.
    """

    def __init__(self, connectionId: str, wire: MemoryWire) -> None:
        self.connectionId = connectionId
        self.address: str | None = None
        self.client = wire.session
        self.compressed = False
        self.kind = "websocket"
        self._wire = wire

    def send(self, frame: bytes) -> None:
        self._wire.deliver(frame)

    def ping(self) -> None:
        self._wire.pinged()

    def close(self, code: int, reason: str) -> None:
        self._wire.left(closed(code, reason))

    def abort(self) -> None:
        self._wire.cut()
