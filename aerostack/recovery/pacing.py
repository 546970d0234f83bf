"""
Turns of clients that get something of the past, within one budget for all.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.delivery.outbound import Outbound
from aerostack.delivery.portions import CHUNK

TURN = 1_048_576
"""How many bytes of the past are sent in one turn of the reactor, to all clients together."""


class Pacer:
    """
    Lets clients have their next piece of the past one after the other.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # In the order of their turns.
        self._waiting: dict[Outbound, None] = {}
        self._scheduled = False

    def pace(self, outbound: Outbound) -> None:
        """
        Call C{outbound.sendPast} when it is the client's turn.
        """
        self._waiting[outbound] = None
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        left = TURN
        waiting, self._waiting = self._waiting, {}
        while waiting and left > 0:
            outbound = next(iter(waiting))
            del waiting[outbound]
            try:
                # A client that has more to get asks for another turn.
                left -= max(1, outbound.sendPast(CHUNK))
            except Exception:
                # The other clients still have their turns.
                outbound.fail(Failure())
        if waiting:
            self._waiting = {**waiting, **self._waiting}
            self._schedule()
