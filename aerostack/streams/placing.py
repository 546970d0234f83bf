"""
Publishes parts and ends of streams, until they have their places in the logs of their topics.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.answers import Answers
from aerostack.core.replay.publications import (
    EVENT,
    Kept,
    Message,
    Publication,
    Receipt,
    StreamMark,
)
from aerostack.errors import RealtimeError
from aerostack.hub.idempotency import endKey
from aerostack.hub.publishing import Publisher
from aerostack.protocol.streams import DONE, doneData, keptData
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.keeping import FENCED, EndKeeper
from aerostack.streams.refusals import unknown
from aerostack.streams.run import Run

RETRY = 1.0
"""Seconds until the node publishes an end again that the engine did not take."""


class Placing:
    """
    Publishes what streams have.

    @ivar closed: Called with each stream whose end has its place in the topic's order.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        answers: Answers,
        publisher: Publisher,
        keeper: EndKeeper,
        checkpoints: Checkpointer,
        watchers: Callable[[str], int],
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param watchers: How many subscribers a canonical topic has.
        """
        self._clock = clock
        self._now = now
        self._answers = answers
        self._publisher = publisher
        self._keeper = keeper
        self._checkpoints = checkpoints
        self._watchers = watchers
        self.closed: Callable[[Answer], object] = lambda answer: None

    def send(
        self,
        answer: Answer,
        event: str,
        data: bytes,
        mark: StreamMark,
        arrived: int | None = None,
    ) -> Deferred[Any]:
        """
        Publish a part of a stream.

        @param data: JSON; empty if it is made of the text of C{mark}.
        @param arrived: When it came, milliseconds since the epoch; L{None} for now.
        @return: Fires when it has its place in the topic's order.
        """
        # Other nodes know by this when it began.
        time = (arrived or self._now()) if mark.part else answer.began
        publication = Publication(answer.topic, EVENT, event, data, None, time, None, mark)
        return self._place(publication)

    def _place(self, publication: Publication, key: Hashable = None) -> Deferred[Any]:
        placed = self._publisher.publishStream(publication, key)
        if not placed.called:
            # If there are no subscribers here, it does not come back.
            placed.addCallback(lambda _: self._answers.take(publication, self._clock.seconds()))
        return placed

    def close(self, run: Run, data: bytes | None, persist: bool) -> None:
        """
        Publish the end of a stream, and have it kept.  The outcome of C{run} says when.

        @param data: See L{aerostack.streams.ending.Ending.finish}.
        @param persist: Whether the history keeps it.
        """
        answer = run.answer
        self._checkpoints.ended(answer)
        unkept = self._endOf(run, data, False)
        if not persist:
            self._publishEnd(run, unkept)
            return
        closed = self._publisher.publishEnd(
            self._endOf(run, data, True), unkept, self.keep(answer, data), _keyOf(answer)
        )
        closed.addCallbacks(
            lambda receipt: self._closed(run, receipt),
            lambda failure: self._unclosed(run, unkept, failure),
        )

    def abandon(self, run: Run) -> Deferred[Any]:
        """
        Publish the end of a stream that ran at another node.

        @return: Fires when it has its place in the topic's order.  Fails with L{RealtimeError} if
            the engine does not take it.
        """
        return self._place(self._endOf(run, None, False), _keyOf(run.answer))

    def keep(self, answer: Answer, data: bytes | None = None) -> Deferred[Kept | None]:
        """
        Have the end of a stream kept; see L{EndKeeper.keep}.

        @param data: See L{aerostack.streams.ending.Ending.finish}.
        """
        message = Message(
            answer.record,
            answer.topic,
            EVENT,
            DONE,
            keptData(answer, data),
            None,
            self._publisher.nextMark(answer.topic),
            stream=StreamMark(answer.id, state=answer.state),
            run=self._checkpoints.run,
        )
        return self._keeper.keep(message)

    def _closed(self, run: Run, receipt: Receipt | None) -> None:
        if not run.answer.isOver:
            # If there are no subscribers here, it does not come back from the engine.
            self._answers.over(run.answer, self._clock.seconds())
        self._settle(run, receipt)

    def _settle(self, run: Run, receipt: Receipt | None) -> None:
        self.closed(run.answer)
        run.outcome.settle(receipt)

    def _unclosed(self, run: Run, unkept: Publication, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, RealtimeError) and error.code == FENCED:
            self._checkpoints.lost(run.answer)
            # Its new node can be asked.
            run.outcome.settle(Failure(unknown(run.answer.id)))
            return
        self._again(run, unkept, failure)

    def _endOf(self, run: Run, data: bytes | None, isKept: bool) -> Publication:
        answer, now = run.answer, self._now()
        if data is None:
            stats = run.stats(self._clock.seconds(), self._watchers(answer.topic))
            data = doneData(answer, isKept, stats)
        mark = StreamMark(answer.id, state=answer.state)
        return Publication(answer.topic, EVENT, DONE, data, None, now, None, mark)

    def _publishEnd(self, run: Run, end: Publication) -> None:
        """Publish an end that is not kept, or not yet."""
        self._place(end, _keyOf(run.answer)).addCallbacks(
            lambda _: self._settle(run, None), lambda failure: self._again(run, end, failure)
        )

    def _again(self, run: Run, end: Publication, failure: Failure) -> None:
        """Publish an end again that the engine did not take, for watchers must get it."""
        failure.trap(RealtimeError)
        self._clock.callLater(RETRY, self._publishEnd, run, end)


def _keyOf(answer: Answer) -> Hashable:
    return endKey(answer.topic, answer.id, answer.began)
