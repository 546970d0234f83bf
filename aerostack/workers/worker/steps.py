"""
Steps that are made one after another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

Step = Callable[[], Deferred[Any] | None]
"""Does something.  If it returns a L{Deferred}, the next step waits until that fires."""


class Steps:
    """
    Makes steps in their order.  A step is made at once if none waits before it; those that have
    waited are made one in each turn of the reactor.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._steps: deque[Step] = deque()
        # Until the start, all wait.
        self._isBusy = True
        self._next: IDelayedCall | None = None

    def start(self) -> None:
        """
        Begin with what waits.
        """
        self._goOn(None)

    def stop(self) -> None:
        """
        Drop what waits.
        """
        self._isBusy = True
        self._steps.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def add(self, step: Step) -> None:
        """
        Make a step when its turn has come.
        """
        self._steps.append(step)
        if not self._isBusy:
            self._make()

    def inTurn(self, result: Any) -> Deferred[Any]:
        """
        Pass on a result when its turn has come.
        """
        turn: Deferred[Any] = Deferred()
        self.add(lambda: turn.callback(result))
        return turn

    def _make(self) -> None:
        self._isBusy = True
        self._next = None
        going: Deferred[Any] | None = None
        try:
            going = self._steps.popleft()()
        except Exception:
            # One step that fails must not end all that come after it.
            self.log.failure("Something about tables could not be handled.")
        if going is None:
            self._goOn(None)
        else:
            going.addErrback(
                lambda failure: self.log.failure("Subscribers could not be served.", failure)
            )
            going.addCallback(self._goOn)

    def _goOn(self, _: Any) -> None:
        if self._steps:
            self._next = self._clock.callLater(0, self._make)
        else:
            self._isBusy = False
