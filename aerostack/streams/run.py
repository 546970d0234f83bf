"""
A token stream that runs here, with what only the process knows that judges it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.requests import Started, Stop
from aerostack.hub.idempotency import Outcome

Stopped = Callable[[Stop], object]
"""Tells a producer that it is to send no more."""


@dataclass(eq=False, slots=True)
class Run:
    """
    A stream that runs here, or has ended a while ago.

    @ivar began: When it began, seconds of the clock.
    @ivar due: When its lease ends, seconds of the clock.
    @ivar grown: When it grew last, seconds of the clock.
    @ivar stopped: Tells its producer to stop; L{None} if the producer cannot be told.
    @ivar appends: How many texts and values have come.
    @ivar first: How long its first text took to come, seconds; L{None} before.
    @ivar arrived: When the oldest text came that is to be sent, milliseconds since the epoch;
        L{None} if all is sent.
    @ivar given: How many texts the engine was given that have no place in the log yet.
    @ivar watched: When it was watched last, or began, seconds of the clock.
    @ivar isOrphan: Whether its producer went with the last run of the daemon.
    @ivar isFinished: Whether it was ended here.
    @ivar outcome: The result of its end, for every caller that wants to know.
    """

    answer: Answer
    began: float
    due: float
    grown: float
    stopped: Stopped | None = None
    appends: int = 0
    first: float | None = None
    arrived: int | None = None
    given: int = 0
    watched: float = field(init=False)
    isOrphan: bool = False
    isFinished: bool = False
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self.watched = self.began

    def renew(self, now: float) -> None:
        """
        Note a sign of the producer.

        @param now: Seconds of the clock.
        """
        self.due = now + self.answer.terms.lease

    @property
    def endsUnwatched(self) -> bool:
        """Whether it goes on only while it has watchers."""
        return self.answer.end is None and self.answer.terms.unwatched is not None

    def isEndedBy(self, epoch: int, state: str) -> bool:
        """
        Whether a producer has ended it so.
        """
        answer = self.answer
        return answer.end is not None and (answer.epoch, answer.state) == (epoch, state)

    def stats(self, now: float, watchers: int) -> dict[str, int | None]:
        """
        What watchers get to know of it at its end: milliseconds until its first text and until its
        end, how many texts and values there were, and how many watch.

        @param now: Seconds of the clock.
        """
        return {
            "first": None if self.first is None else int(self.first * 1000),
            "ms": int((now - self.began) * 1000),
            "appends": self.appends,
            "watchers": watchers,
        }

    @property
    def started(self) -> Started:
        """What its producer is told."""
        answer = self.answer
        lease = int(answer.terms.lease * 1000)
        return Started(
            answer.id, answer.topic, answer.epoch, answer.lengths, lease, answer.editions
        )

    def tell(self, state: str, by: str | None = None, reason: str | None = None) -> None:
        """
        Tell the producer, if it can be told, that it is to send no more.  It is told once.
        """
        stopped, self.stopped = self.stopped, None
        if stopped is not None:
            answer = self.answer
            stopped(Stop(answer.id, answer.topic, answer.epoch, state, by, reason))
