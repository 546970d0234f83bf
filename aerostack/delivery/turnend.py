"""
The end of the reactor's turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.interfaces.turns import ITurns


class TurnEnd:
    """
    Calls functions when the present turn of the reactor ends.  All of them share one timer, because
    setting one costs as much as the work of some of them; a reactor that provides L{ITurns} needs
    none.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._schedule: Callable[[Callable[[], object]], object] = (
            clock.callAtTurnEnd if ITurns.providedBy(clock) else partial(clock.callLater, 0)
        )
        self._calls: list[Callable[[], object]] = []

    def call(self, function: Callable[[], object]) -> None:
        """
        Call a function when this turn ends.  Functions are called in the order in which they came;
        one that comes while others are called is called when the next turn ends.
        """
        if not self._calls:
            self._schedule(self._end)
        self._calls.append(function)

    def _end(self) -> None:
        calls, self._calls = self._calls, []
        for call in calls:
            try:
                call()
            except Exception:
                # The other functions must still be called.
                self._log.failure("the end of a turn failed", Failure())
