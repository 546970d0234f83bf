"""
What publishers have in common: they publish no more than subscribers can be sent, and measure how
long publications take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.diagnosis.histogram import TopicHistograms
from aerostack.core.diagnosis.latencies import Latencies
from aerostack.core.diagnosis.tracing import Trace, Tracer
from aerostack.errors import RealtimeError
from aerostack.interfaces.publishing import IReceiver

T = TypeVar("T")

MAX_BACKLOG = 1_048_576
"""How many bytes of one topic may wait to be sent to its subscribers."""


class Measuring:
    """
    Bounds publications by what subscribers can be sent, and measures how long they take.

    @ivar latencies: How long it took from a publication's arrival until its frame was handed to
        the subscribers' sockets.
    @ivar tracer: Traces publications; L{None} if they are not traced.
    @ivar durations: The same since the daemon began, by the kinds of topics.
    """

    def __init__(self, clock: IReactorTime, kindOf: Callable[[str], str]) -> None:
        """
        @param kindOf: See L{aerostack.core.topics.policies.TopicPolicies.kindOf}.
        """
        self.latencies = Latencies()
        self.durations = TopicHistograms(kindOf)
        self.tracer: Tracer | None = None
        self._kindOf = kindOf
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

    def _beginTrace(self, topic: str, isKept: bool) -> Trace | None:
        """Begin to trace a publication that has come, if it is traced."""
        if self.tracer is None:
            return None
        return self.tracer.publication(self._kindOf(topic), isKept)

    def _follow(self, trace: Trace, entered: Deferred[Any] | None, topic: str) -> None:
        """Trace a publication until it is sent."""

        def placed(result: T) -> T:
            trace.placed()
            self._receiver.whenSent((topic,), trace.sent)
            return result

        def failed(failure: Failure) -> Failure:
            trace.failed(failure.getErrorMessage())
            return failure

        if entered is None:
            placed(None)
        else:
            entered.addCallbacks(placed, failed)

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
            took = self._clock.seconds() - began
            self.latencies.add(took)
            self.durations.of(topic).observe(took, times)

        if not self._receiver.sampleSent((topic,), sent):
            self.latencies.skip(times)
        return result

    def _unmeasured(self, failure: Failure, times: int) -> Failure:
        """Note that a publication failed that was to be measured."""
        self.latencies.skip(times - 1)
        return failure
