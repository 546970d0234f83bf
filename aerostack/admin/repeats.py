"""
Failures that come again and again, of which the log needs one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from twisted.logger import ILogObserver, LogEvent
from twisted.python.failure import Failure
from zope.interface import implementer

QUIET = 60.0
"""After how many seconds without a failure the same failure is written again."""

LONGEST = 3600.0
"""After how many seconds it is written again, although it never stopped."""

MOST = 200
"""How many different failures are remembered.  Beyond that, the least recent one is forgotten."""


@dataclass(slots=True)
class _Run:
    """
    Failures that are the same.

    @ivar written: When one of them was last written, in seconds.
    @ivar last: When the last one came.
    @ivar omitted: How many were not written since then.
    """

    written: float
    last: float
    omitted: int = 0


class _Key(NamedTuple):
    """What failures that are the same have in common; nothing that a client can choose."""

    namespace: Hashable
    state: str | None
    format: Hashable
    kind: type[BaseException] | None
    place: Hashable


@implementer(ILogObserver)
class RepeatObserver:
    """
    Passes each event on, but of failures that are the same only the first.

    While the database is down each client that asks for something may meet the same failure.
    Failures are the same if they have the same logger, sentence, type and place in the code, and
    tell of the same state of the database.  An event of the same logger that is no failure ends
    such a state: the next failure is another outage.
    """

    def __init__(
        self,
        observer: ILogObserver,
        seconds: Callable[[], float],
        stateOf: Callable[[LogEvent], str | None],
    ) -> None:
        """
        @param observer: Writes the events.
        @param seconds: Tells the time for intervals, in seconds.
        @param stateOf: Tells of which state of the database an event tells; L{None} for none.
        """
        self._observer = observer
        self._seconds = seconds
        self._stateOf = stateOf
        self._runs: OrderedDict[_Key, _Run] = OrderedDict()

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        if not isinstance(failure, Failure):
            self._endStates(event.get("log_namespace"))
            self._observer(event)
            return
        now, key = self._seconds(), self._keyOf(event, failure)
        run = self._runs.pop(key, None)
        if run is not None and now - run.last < QUIET and now - run.written < LONGEST:
            self._runs[key] = _Run(run.written, now, run.omitted + 1)
            return
        self._runs[key] = _Run(now, now)
        if len(self._runs) > MOST:
            self._runs.popitem(last=False)
        if run is not None and run.omitted:
            sentence = event.get("log_format") or ""
            event = {
                **event,
                "log_format": f"{sentence} ({run.omitted} more of these were not written)",
            }
        self._observer(event)

    def _endStates(self, namespace: Hashable) -> None:
        for key in tuple(self._runs):
            if key.namespace == namespace and key.state is not None:
                self._runs.pop(key, None)

    def _keyOf(self, event: LogEvent, failure: Failure) -> _Key:
        place = tuple(failure.frames[-1][:3]) if failure.frames else ()
        return _Key(
            event.get("log_namespace"),
            self._stateOf(event),
            event.get("log_format"),
            failure.type,
            place,
        )
