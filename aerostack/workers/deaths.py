"""
Which workers have died of late, for an operator.
"""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = 3600.0
"""For how many seconds the health names a worker that has died."""


@dataclass(frozen=True)
class _Record:
    """
    @ivar count: How often the worker has died since the daemon's start.
    @ivar at: When it has died last, seconds.
    @ivar reason: Why.
    """

    count: int
    at: float
    reason: str


class Deaths:
    """
    The deaths of all workers since the daemon's start.  Every C{now} is in seconds, by one clock
    that nothing sets.
    """

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def note(self, name: str, reason: str, now: float) -> None:
        """
        Note that a worker has died.

        @param reason: Why: a sentence about C{it}, without a full stop.
        """
        self._records[name] = _Record(self.count(name) + 1, now, reason)

    def count(self, name: str) -> int:
        """
        How often a worker has died.
        """
        record = self._records.get(name)
        return 0 if record is None else record.count

    def describe(self, now: float) -> str | None:
        """
        Say which workers have died within the last hour, and why; L{None} if none has.
        """
        sentences = [
            f"{name} died {_span(now - record.at)} ago: {record.reason}."
            for name, record in sorted(self._records.items())
            if now - record.at <= SHOWN
        ]
        return " ".join(sentences) or None


def _span(seconds: float) -> str:
    """Say how long ago something was, in whole seconds or minutes."""
    number, unit = (seconds // 60, "minute") if seconds >= 120 else (seconds, "second")
    return f"{int(number)} {unit}" if int(number) == 1 else f"{int(number)} {unit}s"
