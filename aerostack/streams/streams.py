"""
Lets token streams begin, grow and end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.answers.answer import (
    ABORTED,
    CANCELLED,
    LEASE,
    LIMIT,
    RESTART,
    STALLED,
    UNWATCHED,
    Answer,
    End,
    Verdict,
)
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.checkpoints import StoredAnswer
from aerostack.core.answers.copying import Page, Place, pageOf
from aerostack.core.answers.part import Part
from aerostack.core.answers.requests import (
    Append,
    Ended,
    Facts,
    Found,
    Operation,
    Put,
    Started,
    StartRequest,
)
from aerostack.core.replay.publications import Publication, StreamMark
from aerostack.core.topics.topics import Topic, projectOf
from aerostack.errors import RealtimeError
from aerostack.hub.publishing import Publisher
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.streams import (
    EVENTS,
    START,
    headOf,
    readData,
    readEnd,
    valueData,
)
from aerostack.streams.audience import Audience
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.counting import Counting
from aerostack.streams.emitted import Emitted
from aerostack.streams.keeping import EndKeeper
from aerostack.streams.placing import Placing
from aerostack.streams.refusals import ended, refused, unknown
from aerostack.streams.run import Run, Stopped
from aerostack.streams.ticking import Ticker

LEFT = 10.0
"""For how many seconds a stream goes on whose producer's connection is gone, at the most."""


@implementer(IStreams)
class Streams:
    """
    The token streams that are judged here.

    @ivar idle: After how many seconds without a text a stream ends although its producer is there.
    @ivar maxAge: After how many seconds any stream ends.
    @ivar answers: The streams that run, and those that have ended a while ago.
    @ivar counts: What is counted for the metrics.
    @ivar ticker: Sends what streams have grown by.
    @ivar checkpoints: Has what is new of streams kept.
    @ivar keeper: Has ends kept.
    @ivar audience: How many subscribers topics have.
    @ivar isSure: Tells whether this node may publish of its streams now: other nodes have not
        taken it for dead.
    @ivar lost: Called with a stream that another node has taken over, and with what tells its
        producer to stop.
    """

    log = Logger()
    idle = 600.0
    maxAge = 3600.0

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
        self.counts = Counting()
        self.keeper = keeper
        self.checkpoints = checkpoints
        self.audience = audience
        self._clock = clock
        self._now = now
        self.answers = answers
        self._publisher = publisher
        self._newId = newId
        self.isSure: Callable[[], bool] = lambda: True
        self.lost: Callable[[Answer, Stopped | None], object] = lambda answer, stopped: None
        checkpoints.lost = self.letGo
        self._placing = Placing(clock, now, answers, publisher, keeper, checkpoints, audience.count)
        self._runs: dict[Answer, Run] = {}
        self.ticker = Ticker(clock, self._publish, publisher.isReady, publisher.whenSent)
        self._emitted = Emitted(self, answers, publisher.publishStream, clock.seconds, newId)
        publisher.streams = self._emitted

    def flush(self, topic: str) -> None:
        """
        Publish at once what the streams of a topic have grown by.
        """
        self.ticker.flush(topic)

    @property
    def running(self) -> list[Answer]:
        """The streams that run here, and have not been ended here."""
        return [answer for answer, run in self._runs.items() if not run.isFinished]

    def runOf(self, answer: Answer) -> Run | None:
        """
        What is known of a stream that runs here, or has ended a while ago.
        """
        return self._runs.get(answer)

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
        run = self.enter(answer, stopped)
        self._placing.send(answer, START, answer.head, StreamMark(name))
        if request.terms.persist:
            self.checkpoints.changed(answer)
        return run

    def enter(self, answer: Answer, stopped: Stopped | None = None) -> Run:
        """
        Let a stream run.
        """
        now = self._clock.seconds()
        self.answers.enter(answer)
        run = self._runs[answer] = Run(answer, now, now + answer.terms.lease, now, stopped)
        return run

    def _goOn(
        self, answer: Answer, topic: Topic, request: StartRequest, stopped: Stopped | None
    ) -> Run:
        """Let a producer go on with a stream that has begun."""
        run = self._runs.get(answer)
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
            run = self._producing(project, stream, epoch)
            for operation in operations:
                if isinstance(operation, Append):
                    self._append(run, operation)
                else:
                    self._put(run, operation)
            return succeed(dict(run.answer.lengths))
        except RealtimeError as error:
            return fail(error)

    def _producing(self, project: str, stream: str, epoch: int) -> Run:
        """
        The stream of a producer, which has given a sign.

        @raise RealtimeError: C{stream_unknown}, C{stream_ended} or C{stream_fenced}.
        """
        run = self._find(project, stream)
        if run is None:
            raise unknown(stream)
        answer = run.answer
        if answer.end is not None:
            raise ended(answer)
        if answer.terms.implicit:
            raise unknown(stream)
        if epoch != answer.epoch:
            raise RealtimeError(
                "stream_fenced",
                f"The stream {stream} has another producer, with the epoch {answer.epoch}.",
                details={"stream": stream},
            )
        run.renew(self._clock.seconds())
        return run

    def _find(self, project: str, stream: str) -> Run | None:
        """A stream that runs here, or has ended a while ago; L{None} if another node has it."""
        answer = self.answers.get(project, stream)
        return None if answer is None else self._runs.get(answer)

    def _append(self, run: Run, operation: Append) -> None:
        answer = run.answer
        name, kind, at, edition = operation.part, operation.kind, operation.at, operation.edition
        verdict, text = answer.judge(name, kind, at, operation.text, edition)
        if verdict is Verdict.KNOWN:
            return
        if verdict not in (Verdict.TAKEN, Verdict.RESET):
            raise refused(answer, name, at, verdict)
        self._checkPart(answer, name)
        if verdict is Verdict.RESET:
            answer.takeBack(name, at, edition)
        self.grow(run, name, kind, text, edition)
        if run.appends == 1:
            self.ticker.grown(answer)
            self.ticker.flush(answer.topic)
        else:
            self.ticker.grown(answer)

    def grow(self, run: Run, name: str, kind: str, text: str, edition: int = 0) -> Part:
        """
        Let the text of a part grow.

        @param edition: That of the part, if it is a new one.
        @raise RealtimeError: C{stream_ended}: the stream is too large, and has ended.
        """
        answer = run.answer
        if answer.size + len(text) > self.answers.budget.text:
            self.finish(run, End(ABORTED, LIMIT))
            raise ended(answer)
        part = answer.append(name, kind, text, edition)
        self.answers.count(answer)
        self._counted(run)
        self.counts.characters += len(text)
        if run.arrived is None:
            run.arrived = self._now()
        if not answer.terms.implicit:
            self.checkpoints.changed(answer)
        return part

    def _put(self, run: Run, operation: Put) -> None:
        answer, name = run.answer, operation.part
        part = answer.parts.get(name)
        if part is not None and part.kind != operation.kind:
            raise refused(answer, name, 0, Verdict.KIND)
        before = None if part is None else part.value
        value = valueData(operation.kind, name, operation.value, before)
        if value == before:
            return
        if len(value) > self.answers.budget.value:
            raise RealtimeError(
                "too_large", f"The value of a part has at most {self.answers.budget.value} bytes."
            )
        self._checkPart(answer, name)
        if not answer.isRelayed:
            # A model does not say the same again later; what it says has a bound.
            self._publisher.checkBacklog(answer.topic)
        if answer.size + len(value) > self.answers.budget.text:
            self.finish(run, End(ABORTED, LIMIT))
            raise ended(answer)
        answer.put(name, operation.kind, value)
        self.answers.count(answer)
        self._counted(run)
        self.checkpoints.changed(answer)
        self.ticker.flush(answer.topic)
        self._placing.send(
            answer, EVENTS[operation.kind], value, StreamMark(answer.id, name, operation.kind)
        )

    def _checkPart(self, answer: Answer, name: str) -> None:
        most = self.answers.budget.parts
        if name not in answer.parts and len(answer.parts) >= most:
            raise RealtimeError("too_large", f"A stream has at most {most} parts.")

    def _counted(self, run: Run) -> None:
        run.grown = self._clock.seconds()
        run.appends += 1
        self.counts.appends += 1
        if run.first is None:
            run.first = run.grown - run.began
            run.answer.first = int(run.first * 1000)
            self.counts.first.observe(run.first)

    def _publish(self, answer: Answer, mayWait: bool) -> None:
        """Publish what a stream has grown by."""
        run = self._runs.get(answer)
        if run is None or answer.end is not None:
            return
        if (run.given and mayWait) or not self.isSure():
            # The engine has not taken the text before, and what comes meanwhile goes out as one.
            # Or this node must look whether it still has the stream.
            self.ticker.grown(answer)
            return
        arrived, run.arrived = run.arrived, None
        for part in answer.parts.values():
            if part.length > part.published or part.isReset:
                at, text = part.published, part.takeFresh()
                mark = StreamMark(
                    answer.id, part.name, part.kind, at, text, "", part.edition, part.isReset
                )
                self.counts.frames += 1
                sent = self._placing.send(answer, EVENTS[part.kind], b"", mark, arrived)
                self._given(run, part, at, sent)

    def _given(self, run: Run, part: Part, at: int, placed: Deferred[Any]) -> None:
        run.given += 1
        placed.addCallbacks(
            lambda _: self._placed(run), lambda failure: self._refuse(run, part, at, failure)
        )

    def _placed(self, run: Run) -> None:
        run.given -= 1

    def _refuse(self, run: Run, part: Part, at: int, failure: Failure) -> None:
        """Publish text again that the engine did not take."""
        failure.trap(RealtimeError)
        run.given -= 1
        if run.answer.end is None:
            part.giveBack(at)
            self.ticker.grown(run.answer)

    # Signs of the producer

    def beat(self, project: str, stream: str, epoch: int) -> Deferred[Started]:
        """
        See L{IStreams.beat}.
        """
        try:
            return succeed(self._producing(project, stream, epoch).started)
        except RealtimeError as error:
            return fail(error)

    def leave(
        self, project: str, stream: str, epoch: int, stopped: Stopped | None
    ) -> Deferred[None]:
        """
        See L{IStreams.leave}.
        """
        run = self._find(project, stream)
        if run is not None and run.answer.epoch == epoch and run.stopped == stopped:
            run.stopped = None
            run.due = min(run.due, self._clock.seconds() + LEFT)
        return succeed(None)

    def sweep(self) -> Iterator[None]:
        """
        End the streams whose producers are gone, and those that are too old; one in each step.
        """
        now, isSure = self._clock.seconds(), self.isSure()
        runs = tuple(self._runs.values())
        self.audience.wanted = {run.answer.topic for run in runs if run.endsUnwatched}
        for run in runs:
            answer = run.answer
            if answer.isReleased:
                del self._runs[answer]
            elif answer.isOver and not run.isFinished:
                # Another node has ended it, which has taken this one for dead.
                self.letGo(answer)
            elif not isSure:
                # The stream may go on at another node, with its producer.
                continue
            elif answer.end is None and (reason := self._overdue(run, now)) is not None:
                self.finish(run, End(ABORTED, reason))
                yield
            elif answer.end is None and self._isUnwatched(run, now):
                self.finish(run, End(CANCELLED, UNWATCHED))
                yield

    def _overdue(self, run: Run, now: float) -> str | None:
        if run.isOrphan:
            return RESTART
        if now >= run.due:
            return LEASE
        if now >= run.grown + self.idle:
            return STALLED
        return LIMIT if now >= run.began + self.maxAge else None

    def _isUnwatched(self, run: Run, now: float) -> bool:
        """Whether nobody has watched a stream for so long that it is cancelled."""
        limit = run.answer.terms.unwatched
        if limit is None:
            return False
        if self.audience.count(run.answer.topic):
            run.watched = now
        return now >= run.watched + limit

    # Ending

    def end(self, project: str, stream: str, epoch: int, end: End) -> Deferred[Ended]:
        """
        See L{IStreams.end}.
        """
        run = self._find(project, stream)
        if run is not None and run.isEndedBy(epoch, end.state):
            return self._outcomeOf(run)
        try:
            run = self._producing(project, stream, epoch)
        except RealtimeError as error:
            return fail(error)
        run.stopped = None
        self.finish(run, end)
        return self._outcomeOf(run)

    def find(self, project: str, stream: str) -> Deferred[Facts]:
        """
        See L{IStreams.find}.
        """
        run = self._find(project, stream)
        if run is None:
            return fail(unknown(stream))
        answer = run.answer
        return succeed(Facts(answer.topic, answer.terms.owner, answer.terms.cancel))

    def cancel(self, project: str, stream: str, by: str | None) -> Deferred[Ended]:
        """
        See L{IStreams.cancel}.
        """
        run = self._find(project, stream)
        if run is None:
            return fail(unknown(stream))
        answer = run.answer
        if answer.end is None:
            self.finish(run, End(CANCELLED, None, by))
        elif answer.state != CANCELLED:
            return fail(ended(answer))
        return self._outcomeOf(run)

    def copy(self, project: str, stream: str, place: Place) -> Deferred[Page]:
        """
        See L{IStreams.copy}.
        """
        run = self._find(project, stream)
        return fail(unknown(stream)) if run is None else succeed(pageOf(run.answer, place))

    def get(self, project: str, stream: str) -> Deferred[Found]:
        """
        See L{IStreams.get}.  Those that have ended long ago are not here.
        """
        run = self._find(project, stream)
        if run is None:
            return fail(unknown(stream))
        return succeed(Found(run.answer.topic, readData(run.answer)))

    def finish(self, run: Run, end: End, data: bytes | None = None, persist: bool = False) -> None:
        """
        End a stream that runs.  The outcome of the run comes when its end has its place in the
        topic's order; after the commit, with the receipt, if it is kept.

        @param data: What a server has emitted at the end, JSON; L{None} if the stream is none of
            emitted events.
        @param persist: Whether the history is to keep it, whatever its terms are.
        """
        answer = run.answer
        if end.state != CANCELLED:
            self.flush(answer.topic)
        self.ticker.forget(answer)
        answer.end = end
        run.isFinished = True
        self.counts.ended[end.state] += 1
        self._emitted.over(answer)
        run.tell(end.state, end.by, end.reason)
        self._placing.close(run, data, persist or answer.terms.persist)

    def _outcomeOf(self, run: Run) -> Deferred[Ended]:
        answer = run.answer
        return run.outcome.wait().addCallback(
            lambda receipt: Ended(answer.id, answer.state, receipt is not None)
        )

    # Other daemons, and starting and stopping this one

    def letGo(self, answer: Answer) -> None:
        """
        Have a stream no longer, because another node has taken it over.
        """
        run = self._runs.pop(answer, None)
        if run is None:
            return
        self.ticker.forget(answer)
        self._emitted.over(answer)
        self.checkpoints.ended(answer)
        if answer.isOver:
            run.tell(answer.state)
            return
        self.lost(answer, run.stopped)
        if self._publisher.isNeeded(answer.topic):
            # What comes of it from the other node goes on from what subscribers have.
            answer.cut()
            self.answers.count(answer)
        else:
            self.answers.forget(answer)

    def abandon(self, answer: Answer) -> None:
        """
        End a stream that ran at another node, because no node has it any more.  Several nodes may
        do so: subscribers get one end.
        """
        now = self._clock.seconds()
        self._placing.abandon(Run(replace(answer, end=End(ABORTED, RESTART)), now, now, now))

    def dropMirrors(self, topic: str) -> None:
        """
        Forget the streams of other nodes that run on a topic, because nothing of it comes here any
        more.
        """
        for answer in self.answers.all(topic):
            if answer not in self._runs:
                self.answers.forget(answer)

    def restore(self, stored: Iterable[StoredAnswer]) -> None:
        """
        Let the streams go on that an earlier run of the daemon has left.
        """
        for each in stored:
            self.adopt(each)

    def adopt(
        self,
        stored: StoredAnswer,
        published: Sequence[Publication] = (),
        stopped: Stopped | None = None,
    ) -> None:
        """
        Let a stream go on that another run of a daemon has left.  Its producer has its lease to
        come back; if that was the daemon itself, the stream ends.

        @param published: What the topic's log has, if this daemon does not follow the topic.
        @param stopped: Reaches its producer, if that is at another node.
        """
        record = stored.record
        mirror = self.answers.get(projectOf(record.topic), record.name)
        if mirror is not None and (mirror.isReleased or mirror.topic != record.topic):
            mirror = None
        isOther = mirror is not None and mirror in self._runs
        try:
            answer = self.checkpoints.restore(stored, None if isOther else mirror, published)
        except ValueError:
            self.log.warn("the stream {name!r} in the database is malformed", name=record.name)
            return
        end = End(ABORTED, RESTART) if isOther else _endAmong(published, answer.id) or answer.end
        if end is not None:
            # Watchers have its end already, or another stream has its id since.
            self._keepOnly(answer, end)
            return
        if mirror is None:
            answer.isUnseen = self._publisher.isNeeded(answer.topic)
            self.answers.enter(answer)
        else:
            self.answers.count(answer)
        now = self._clock.seconds()
        run = self._runs[answer] = Run(answer, now, now + answer.terms.lease, now, stopped)
        run.isOrphan = answer.isRelayed
        if any(part.length > part.shown for part in answer.parts.values()):
            self.ticker.grown(answer)

    def _keepOnly(self, answer: Answer, end: End) -> None:
        """Have a stream kept whose end is not to be published."""
        self.checkpoints.ended(answer)
        answer.end = end
        kept = self._placing.keep(answer)
        kept.addErrback(lambda failure: failure.trap(RealtimeError))

    def stop(self) -> Deferred[None]:
        """
        Have everything kept that is new, because the daemon stops.

        @return: Fires when it is kept, or cannot be kept now.
        """
        self.ticker.stop()
        self.keeper.stop()
        return self.checkpoints.flushed()


def _endAmong(published: Sequence[Publication], stream: str) -> End | None:
    """How a stream has ended, by what was published on its topic; L{None} if it has not."""
    for publication in published:
        mark = publication.stream
        if mark is not None and mark.stream == stream and mark.state:
            return readEnd(mark.state, publication.data)
    return None
