"""
Lets the parts of token streams grow.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from aerostack.core.answers.answer import ABORTED, LIMIT, Answer, End, Verdict
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.part import Part
from aerostack.core.answers.requests import Append, Operation, Put
from aerostack.core.replay.publications import StreamMark
from aerostack.errors import RealtimeError
from aerostack.hub.publishing import Publisher
from aerostack.protocol.streams import EVENTS, valueData
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.counting import Counting
from aerostack.streams.ending import Ending
from aerostack.streams.placing import Placing
from aerostack.streams.refusals import ended, refused
from aerostack.streams.run import Run
from aerostack.streams.ticking import Ticker


class Growing:
    """
    Judges the texts and values that producers send, and lets their streams have them.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        answers: Answers,
        publisher: Publisher,
        placing: Placing,
        ticker: Ticker,
        ending: Ending,
        checkpoints: Checkpointer,
        counts: Counting,
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        """
        self._clock = clock
        self._now = now
        self._answers = answers
        self._publisher = publisher
        self._placing = placing
        self._ticker = ticker
        self._ending = ending
        self._checkpoints = checkpoints
        self._counts = counts

    def do(self, run: Run, operation: Operation) -> None:
        """
        Let a part grow, or give it a value.

        @raise RealtimeError: See L{IStreams.append
            <aerostack.interfaces.streams.IStreams.append>}.
        """
        if isinstance(operation, Append):
            self._append(run, operation)
        else:
            self._put(run, operation)

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
        self._ticker.grown(answer)
        if run.appends == 1:
            self._ticker.flush(answer.topic)

    def grow(self, run: Run, name: str, kind: str, text: str, edition: int = 0) -> Part:
        """
        Let the text of a part grow.

        @param edition: That of the part, if it is a new one.
        @raise RealtimeError: C{stream_ended}: the stream is too large, and has ended.
        """
        answer = run.answer
        self._checkSize(run, len(text))
        part = answer.append(name, kind, text, edition)
        self._answers.count(answer)
        self._counted(run)
        self._counts.characters += len(text)
        if run.arrived is None:
            run.arrived = self._now()
        if not answer.terms.implicit:
            self._checkpoints.changed(answer)
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
        if len(value) > self._answers.budget.value:
            raise RealtimeError(
                "too_large", f"The value of a part has at most {self._answers.budget.value} bytes."
            )
        self._checkPart(answer, name)
        if not answer.isRelayed:
            # A model does not say the same again later; what it says has a bound.
            self._publisher.checkBacklog(answer.topic)
        self._checkSize(run, len(value))
        answer.put(name, operation.kind, value)
        self._answers.count(answer)
        self._counted(run)
        self._checkpoints.changed(answer)
        self._ticker.flush(answer.topic)
        self._placing.send(
            answer, EVENTS[operation.kind], value, StreamMark(answer.id, name, operation.kind)
        )

    def _checkPart(self, answer: Answer, name: str) -> None:
        most = self._answers.budget.parts
        if name not in answer.parts and len(answer.parts) >= most:
            raise RealtimeError("too_large", f"A stream has at most {most} parts.")

    def _checkSize(self, run: Run, more: int) -> None:
        """End a stream that would be too large with so much more."""
        answer = run.answer
        if answer.size + more > self._answers.budget.text:
            self._ending.finish(run, End(ABORTED, LIMIT))
            raise ended(answer)

    def _counted(self, run: Run) -> None:
        run.grown = self._clock.seconds()
        run.appends += 1
        self._counts.appends += 1
        if run.first is None:
            run.first = run.grown - run.began
            run.answer.first = int(run.first * 1000)
            self._counts.first.observe(run.first)
