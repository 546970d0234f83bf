"""
What publishers have in common: they publish no more than subscribers can be sent, and measure how
long publications take.
"""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.diagnosis.latencies import Latencies
from aerostack.errors import RealtimeError
from aerostack.interfaces.publishing import IReceiver

T = TypeVar("T")

MAX_BACKLOG = 1_048_576
"""How many bytes of one topic may wait to be sent to its subscribers."""


class Measuring:
    """
    Knows what brings publications to subscribers.

    @ivar latencies: How long it took from a publication's arrival until its frame was handed to
        the subscribers' sockets.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.latencies = Latencies()
        self._clock = clock
        self._receiver: IReceiver

    def start(self, receiver: IReceiver) -> None:
        """
        Begin, with what brings the publications to subscribers.
        """
        self._receiver = receiver

    def checkBacklog(self, topic: str) -> None:
        """
        Make sure that a topic's subscribers can be sent more.

        @param topic: The canonical topic.
        @raise RealtimeError: C{overloaded}.
        """
        if self._receiver.backlog(topic) > MAX_BACKLOG:
            raise RealtimeError(
                "overloaded", "More is published here than its subscribers can be sent.", 200
            )

    def _measure(self, entered: Deferred[Any] | None, topic: str, began: float, times: int) -> None:
        """
        Note how long a publication takes.

        @param entered: Fires when the publication has been given to the receiver; L{None} if it
            has been.
        @param began: When the publication came.
        @param times: The number of publications that it represents.
        """
        if entered is None:
            self._entered(None, topic, began, times)
            return
        entered.addCallbacks(
            self._entered, self._unmeasured, (topic, began, times), errbackArgs=(times,)
        )

    def _entered(self, result: T, topic: str, began: float, times: int) -> T:
        """Note how long a publication took, once all its subscribers have been handed it."""

        def sent() -> None:
            self.latencies.add(self._clock.seconds() - began, times)

        if not self._receiver.whenSent((topic,), sent):
            self.latencies.skip(times)
        return result

    def _unmeasured(self, failure: Failure, times: int) -> Failure:
        """Note that a publication failed that was to be measured."""
        self.latencies.skip(times - 1)
        return failure
