"""
A network between clients and a daemon in memory, which delays, cuts and drops bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.closing import Closing, broken, closed
from aerostack.client.interfaces import ITransportUser
from aerostack.testing import MemoryWire
from aerostack.testing.wires import Entrance

MOST = 2000
"""The highest number of bytes in a message."""

_UP, _DOWN = "up", "down"


@implementer(ITransportUser)
class _Nobody:
    """
    The receiver of a connection that its client has given up.
    """

    def opened(self) -> None:
        """Ignore the event."""

    def heard(self) -> None:
        """Ignore the event."""

    def received(self, payload: bytes) -> None:
        """Ignore the event."""

    def closeStarted(self) -> None:
        """Ignore the event."""

    def closed(self, closing: Closing) -> None:
        """Ignore the event."""


class SlowWire(MemoryWire):
    """
    A connection on which everything is delayed and keeps its order.
    """

    def __init__(
        self, entrance: Entrance, address: Address, user: ITransportUser, random: Random
    ) -> None:
        super().__init__(entrance, address, user)
        self._random = random
        self._way = _UP
        self._forsaken = False
        # The time at which the latest bytes arrive.
        self._arrives = {_UP: 0.0, _DOWN: 0.0}
        self._pace = random.choice((0.0, 0.01, 0.1, 1.0))

    def send(self, payload: bytes) -> None:
        self._way = _UP
        super().send(payload)

    def deliver(self, data: bytes) -> None:
        self._way = _DOWN
        super().deliver(data)

    def left(self, closing: Closing) -> None:
        self._way = _DOWN
        super().left(closing)

    def _reach(self, payload: bytes) -> None:
        if len(payload) > MOST:
            self._way = _DOWN
            super().left(closed(1009, f"a message has at most {MOST} bytes"))
        else:
            super()._reach(payload)

    def _later(self, call: Callable[..., None], *args: Any) -> None:
        clock = self._entrance.clock

        way = self._way

        def arrive() -> None:
            if not self._over and not (self._forsaken and way == _DOWN):
                call(*args)

        due = clock.seconds() + self._random.random() * self._pace
        due = self._arrives[way] = max(due, self._arrives[way])
        clock.callLater(due - clock.seconds(), arrive)

    def forsake(self, seconds: float) -> None:
        """
        Let the client lose the connection, and the daemon notice later.  Bytes in flight to the
        daemon arrive.
        """
        user, self._user, self._forsaken = self._user, _Nobody(), True
        self._entrance.clock.callLater(seconds, lambda: self._over or self.cut())
        user.closed(broken("The line is dead."))
