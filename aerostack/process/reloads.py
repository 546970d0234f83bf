"""
Reloads of the daemon, one after the other, and how each of them ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure


@dataclass(frozen=True)
class Outcome:
    """
    How a reload ended.

    @ivar faults: What was not taken up, a sentence each.
    @ivar notes: What the operator has to know besides, a sentence each.
    """

    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Reloads:
    """
    Runs at most one reload at a time.
    """

    _log = Logger()

    def __init__(self, reload: Callable[[], Deferred[Outcome]]) -> None:
        """
        @param reload: Reloads, and tells how that ended.  What it raises is logged.
        """
        self._reload = reload
        self._isRunning = False
        self._asking: list[Deferred[Outcome]] = []

    def ask(self) -> Deferred[Outcome]:
        """
        Reload.  While a reload runs, one more follows, for all who ask meanwhile: it reads what is
        newest.

        @return: Fires with the end of a reload that has begun after the call.
        """
        answer: Deferred[Outcome] = Deferred()
        self._asking.append(answer)
        if not self._isRunning:
            self._begin()
        return answer

    def _begin(self) -> None:
        self._isRunning = True
        asking, self._asking = self._asking, []
        done: Deferred[Any] = maybeDeferred(self._reload)
        done.addErrback(self._failed)
        done.addCallback(self._ended, asking)

    def _failed(self, reason: Failure) -> Outcome:
        self._log.failure("the reload failed", reason)
        return Outcome((f"the reload failed: {reason.getErrorMessage()}; see the daemon's log",))

    def _ended(self, outcome: Outcome, asking: list[Deferred[Outcome]]) -> None:
        self._isRunning = False
        for each in asking:
            each.callback(outcome)
        if self._asking and not self._isRunning:
            self._begin()
