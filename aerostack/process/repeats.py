"""
Failures that come again and again, of which the log needs one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from twisted.logger import ILogObserver, LogEvent
from twisted.python.failure import Failure
from zope.interface import implementer

QUIET = 60.0
"""After how many seconds without a failure the same failure is written again."""

LONGEST = 3600.0
"""After how many seconds it is written again, although it never stopped."""

MOST = 200
"""How many failures are told apart at the most; the one that came last longest ago is forgotten."""


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


@implementer(ILogObserver)
class RepeatObserver:
    """
    Passes each event on, but of failures that are the same only the first.

    While the database is down each client that asks for something may meet the same failure.
    Failures are the same if they have the same logger, sentence, type and place in the code.
    """

    def __init__(self, observer: ILogObserver, seconds: Callable[[], float]) -> None:
        """
        @param observer: Writes the events.
        @param seconds: Tells the time for intervals, in seconds.
        """
        self._observer = observer
        self._seconds = seconds
        self._runs: OrderedDict[Hashable, _Run] = OrderedDict()

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        if not isinstance(failure, Failure):
            self._observer(event)
            return
        now, key = self._seconds(), _keyOf(event, failure)
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


def _keyOf(event: LogEvent, failure: Failure) -> Hashable:
    """What failures that are the same have in common; nothing that a client can choose."""
    place = failure.frames[-1][:3] if failure.frames else ()
    return event.get("log_namespace"), event.get("log_format"), failure.type, tuple(place)
