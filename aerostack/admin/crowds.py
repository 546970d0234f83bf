"""
What the log has of very many connections.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from twisted.logger import ILogObserver, LogEvent, LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.admin.repeats import RepeatObserver
from aerostack.core.limits.rates import TokenBucket

LINES = 30
"""How many lines of one kind about connections the log has at once.  One more may follow every
L{EACH} seconds."""

EACH = 2.0


def sparing(
    observer: Callable[[LogEvent], object],
    seconds: Callable[[], float],
    stateOf: Callable[[LogEvent], str | None],
) -> ILogObserver:
    """
    Make the observer through which each process passes what it logs, so that clients cannot fill
    the log.  A process passes on what other processes have passed already.

    @param observer: Writes the events.
    @param seconds: Tells the time for intervals, in seconds.
    @param stateOf: See L{RepeatObserver}.
    """
    return RepeatObserver(CrowdObserver(observer, seconds), seconds, stateOf)


@implementer(ILogObserver)
class CrowdObserver:
    """
    Passes each event on, but of what happens to single connections only so many lines of a kind.

    A stranger can open any number of connections, and have each of them closed.  Of a kind are
    events of the same logger with the same sentence, which no client can choose.
    """

    def __init__(
        self, observer: Callable[[LogEvent], object], seconds: Callable[[], float]
    ) -> None:
        """
        @param observer: Writes the events.
        @param seconds: Tells the time for intervals, in seconds.
        """
        self._observer = observer
        self._seconds = seconds
        self._buckets: dict[tuple[Hashable, Hashable], TokenBucket] = {}
        self._omitted: dict[tuple[Hashable, Hashable], int] = {}

    def __call__(self, event: LogEvent) -> None:
        if not _isOfCrowds(event):
            self._observer(event)
            return
        sentence = event.get("log_format") or ""
        kind, now = (event.get("log_namespace"), sentence), self._seconds()
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = TokenBucket(1 / EACH, LINES, now)
        if bucket.take(now):
            self._omitted[kind] = self._omitted.get(kind, 0) + 1
            return
        omitted = self._omitted.pop(kind, 0)
        if omitted:
            more = f"{sentence} ({omitted} more of these were not written)"
            event = {**event, "log_format": more}
        self._observer(event)


def _isOfCrowds(event: LogEvent) -> bool:
    """
    Whether an event tells of a single connection, and is neither a fault nor one of another
    process.
    """
    return (
        event.get("connection") is not None
        and event.get("log_level") is LogLevel.info
        and not isinstance(event.get("log_failure"), Failure)
        and "worker" not in event
    )
