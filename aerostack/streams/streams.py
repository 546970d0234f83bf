"""
What is asked of token streams that run here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.core.answers.answer import CANCELLED, Answer, End
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.copying import Page, Place, pageOf
from aerostack.core.answers.requests import (
    Ended,
    Facts,
    Found,
    Operation,
    Started,
    StartRequest,
    Whole,
)
from aerostack.core.replay.publications import StreamMark
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.publishing import Publisher
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.streams import START, headOf, readData
from aerostack.streams.audience import Audience
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.counting import Counting
from aerostack.streams.emitted import Emitted
from aerostack.streams.ending import Ending
from aerostack.streams.expiry import Expiry
from aerostack.streams.growing import Growing
from aerostack.streams.handover import Handover
from aerostack.streams.keeping import EndKeeper
from aerostack.streams.placing import Placing
from aerostack.streams.refusals import ended, lacking, unknown
from aerostack.streams.run import Run, Stopped
from aerostack.streams.runs import Runs
from aerostack.streams.texts import Texts

LEFT = 10.0
"""For how many seconds a stream goes on whose producer's connection is gone, at the most."""


@implementer(IStreams)
class Streams:
    """
    The token streams that are judged here.

    @ivar answers: The streams that run, and those that have ended a while ago.
    @ivar runs: Those of them that run here.
    @ivar counts: What is counted for the metrics.
    @ivar ticker: Sends what streams have grown by.
    @ivar checkpoints: Has what is new of streams kept.
    @ivar keeper: Has ends kept.
    @ivar audience: How many subscribers topics have.
    @ivar handover: Takes streams over from other runs of daemons, and lets them go.
    @ivar expiry: Ends streams whose time is over.
    @ivar emitted: The streams of events that servers emit.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        answers: Answers,
        publisher: Publisher,
        newId: Callable[[], str],
        keeper: EndKeeper,
        checkpoints: Checkpointer,
        audience: Audience,
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param answers: The same that the sequencer of the publisher's publications has.
        @param newId: Makes an id; each call of each run gives another.
        """
        self.answers = answers
        self.keeper = keeper
        self.checkpoints = checkpoints
        self.audience = audience
        self.counts = counts = Counting()
        self.runs = runs = Runs(answers, clock.seconds)
        self._clock = clock
        self._now = now
        self._newId = newId
        self._isKeyed = publisher.isKeyed
        self._placing = placing = Placing(
            clock, now, answers, publisher, keeper, checkpoints, audience.count
        )
        placing.closed = runs.closed
        texts = Texts(clock, runs, answers, placing, publisher, counts)
        audience.remind = texts.remind
        self.ticker = ticker = texts.ticker
        self._ending = ending = Ending(runs, ticker, placing, counts)
        self._growing = Growing(
            clock, now, answers, publisher, placing, ticker, ending, checkpoints, counts
        )
        self.handover = Handover(clock, runs, answers, publisher, placing, ticker, checkpoints)
        self.expiry = Expiry(clock, runs, ending, self.handover, audience)
        self.emitted = publisher.streams = Emitted(
            runs,
            self._growing,
            ending,
            ticker,
            answers,
            publisher.publishStream,
            clock.seconds,
            newId,
        )

    # Beginning

    def start(
        self, topic: Topic, request: StartRequest, stopped: Stopped | None = None
    ) -> Deferred[Started]:
        """
        See L{IStreams.start}.
        """
        try:
            return succeed(self._start(topic, request, stopped).started)
        except RealtimeError as error:
            return fail(error)

    def _start(self, topic: Topic, request: StartRequest, stopped: Stopped | None) -> Run:
        if topic.table is not None:
            raise RealtimeError("invalid_arguments", "A table's topic has no token streams.")
        if self._isKeyed(topic.canonical):
            raise RealtimeError("invalid_arguments", "A keyed topic has no token streams.")
        name = request.stream or self._newId()
        known = self.answers.get(topic.project, name)
        if known is not None:
            return self._goOn(known, topic, request, stopped)
        if request.alone and self.answers.runs(topic.canonical):
            raise RealtimeError("stream_busy", "Another stream of the topic goes on; wait.", 1000)
        self.answers.admit(topic.canonical)
        answer = Answer(
            name, self._newId(), topic.canonical, request.terms, self._now(), request.producer
        )
        answer.head = headOf(answer)
        run = self.runs.begin(answer, stopped)
        self._placing.send(answer, START, answer.head, StreamMark(name))
        if request.terms.persist:
            self.checkpoints.changed(answer)
        return run

    def _goOn(
        self, answer: Answer, topic: Topic, request: StartRequest, stopped: Stopped | None
    ) -> Run:
        """Let a producer go on with a stream that has begun."""
        run = self.runs.of(answer)
        if answer.topic != topic.canonical:
            raise RealtimeError("stream_mismatch", f"The stream {answer.id} is of another topic.")
        if answer.end is not None:
            raise ended(answer)
        if run is None:
            raise RealtimeError(
                "stream_busy",
                f"The stream {answer.id} runs at another daemon, which does not answer.",
                10_000,
                {"stream": answer.id},
            )
        now = self._clock.seconds()
        isSame = request.producer is not None and request.producer == answer.producer
        if not isSame:
            if answer.terms.implicit or (not request.takeover and now < run.due):
                wait = max(1, int((run.due - now) * 1000))
                raise RealtimeError(
                    "stream_busy",
                    f"Another producer has the stream {answer.id}; wait, or start with takeover.",
                    wait,
                    {"stream": answer.id},
                )
            run.tell(answer.state)
            answer.epoch += 1
            answer.producer = request.producer
            self.checkpoints.changed(answer)
        run.stopped = stopped
        run.renew(now)
        return run

    # Growing

    def append(
        self, project: str, stream: str, epoch: int, operations: Sequence[Operation]
    ) -> Deferred[dict[str, int]]:
        """
        See L{IStreams.append}.
        """
        try:
            run = self.runs.producing(project, stream, epoch)
            for operation in operations:
                self._growing.do(run, operation)
            return succeed(dict(run.answer.lengths))
        except RealtimeError as error:
            return fail(error)

    # Signs of the producer

    def beat(self, project: str, stream: str, epoch: int) -> Deferred[Started]:
        """
        See L{IStreams.beat}.
        """
        try:
            return succeed(self.runs.producing(project, stream, epoch).started)
        except RealtimeError as error:
            return fail(error)

    def leave(
        self, project: str, stream: str, epoch: int, stopped: Stopped | None
    ) -> Deferred[None]:
        """
        See L{IStreams.leave}.
        """
        run = self.runs.find(project, stream)
        if run is not None and run.answer.epoch == epoch and run.stopped == stopped:
            run.stopped = None
            run.due = min(run.due, self._clock.seconds() + LEFT)
        return succeed(None)

    # Ending

    def end(
        self, project: str, stream: str, epoch: int, end: End, whole: Whole | None = None
    ) -> Deferred[Ended]:
        """
        See L{IStreams.end}.
        """
        run = self.runs.find(project, stream)
        if run is not None and run.isEndedBy(epoch, end.state):
            return self._ending.outcomeOf(run)
        try:
            run = self.runs.producing(project, stream, epoch)
        except RealtimeError as error:
            return fail(error)
        answer = run.answer
        lacked = None if whole is None else answer.lacks(whole.length, whole.edition)
        if lacked is not None:
            return fail(lacking(answer, lacked))
        run.stopped = None
        self._ending.finish(run, end)
        return self._ending.outcomeOf(run)

    def cancel(self, project: str, stream: str, by: str | None) -> Deferred[Ended]:
        """
        See L{IStreams.cancel}.
        """
        run = self.runs.find(project, stream)
        if run is None:
            return fail(unknown(stream))
        answer = run.answer
        if answer.end is None:
            self._ending.finish(run, End(CANCELLED, None, by))
        elif answer.state != CANCELLED:
            return fail(ended(answer))
        return self._ending.outcomeOf(run)

    # Reading

    def find(self, project: str, stream: str) -> Deferred[Facts]:
        """
        See L{IStreams.find}.
        """
        run = self.runs.find(project, stream)
        if run is None:
            return fail(unknown(stream))
        answer = run.answer
        return succeed(Facts(answer.topic, answer.terms.owner, answer.terms.cancel))

    def isOver(self, project: str, stream: str) -> bool:
        """
        Whether a stream has ended a while ago, at whichever node.
        """
        answer = self.answers.get(project, stream)
        return answer is not None and answer.isOver

    def copy(self, project: str, stream: str, place: Place) -> Deferred[Page]:
        """
        See L{IStreams.copy}.
        """
        run = self.runs.find(project, stream)
        return fail(unknown(stream)) if run is None else succeed(pageOf(run.answer, place))

    def get(self, project: str, stream: str) -> Deferred[Found]:
        """
        See L{IStreams.get}.  Those that have ended long ago are not here.
        """
        run = self.runs.find(project, stream)
        if run is None:
            return fail(unknown(stream))
        return succeed(Found(run.answer.topic, readData(run.answer)))

    # Stopping

    def stop(self) -> Deferred[None]:
        """
        Have everything kept that is new, because the daemon stops.

        @return: Fires when it is kept, or cannot be kept now.
        """
        self.expiry.stop()
        self.ticker.stop()
        self.keeper.stop()
        return self.checkpoints.flushed()
