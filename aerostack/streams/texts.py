"""
Publishes the texts that token streams have grown by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.part import Part
from aerostack.core.replay.publications import StreamMark
from aerostack.errors import RealtimeError
from aerostack.hub.publishing import Publisher
from aerostack.protocol.streams import EVENTS
from aerostack.streams.counting import Counting
from aerostack.streams.placing import Placing
from aerostack.streams.run import Run
from aerostack.streams.runs import Runs
from aerostack.streams.ticking import Ticker


class Texts:
    """
    Publishes what streams have grown by, and publishes it again if the engine did not take it.

    @ivar ticker: Says when that is done.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        runs: Runs,
        answers: Answers,
        placing: Placing,
        publisher: Publisher,
        counts: Counting,
    ) -> None:
        self.ticker = Ticker(clock, self._publish, publisher.isReady, publisher.whenSent)
        self._runs = runs
        self._answers = answers
        self._placing = placing
        self._counts = counts

    def remind(self, topic: str) -> None:
        """
        Publish how much text the streams of a topic have, without the text.  A node that follows
        the topic for less long learns of them by that, and reads what it lacks.
        """
        for answer in self._answers.of(topic):
            run = self._runs.of(answer)
            if run is None or answer.end is not None or answer.terms.implicit:
                # Each token of an implicit one is a server's own event.
                continue
            parts = [each for each in answer.parts.values() if each.length]
            if parts and not self._waits(run, mayWait=True):
                self._send(run, parts[-1], None, isFollowed=False)

    def _publish(self, answers: Sequence[Answer], mayWait: bool) -> None:
        """Publish what streams of one topic have grown by."""
        grown = [
            (run, part)
            for run in map(self._runs.of, answers)
            if run is not None and run.answer.end is None and not self._waits(run, mayWait)
            for part in run.answer.parts.values()
            if part.length > part.published or part.isReset
        ]
        arrived = {run: run.arrived for run, _ in grown}
        for run in arrived:
            run.arrived = None
        for number, (run, part) in enumerate(grown, 1):
            try:
                self._send(run, part, arrived[run], isFollowed=number < len(grown))
            except Exception:
                # The other streams must still go on.
                self.log.failure("a stream could not be published", Failure())

    def _waits(self, run: Run, mayWait: bool) -> bool:
        """Whether the text of a stream is left for the next tick."""
        if (run.given and mayWait) or not self._runs.isSure():
            # The engine has not taken the text before, and what comes meanwhile goes out as one.
            # Or this node must find out whether it still has the stream.
            self.ticker.grown(run.answer)
            return True
        return False

    def _send(self, run: Run, part: Part, arrived: int | None, isFollowed: bool) -> None:
        """Publish what a part has grown by."""
        answer = run.answer
        at, text = part.published, part.takeFresh()
        mark = StreamMark(
            answer.id, part.name, part.kind, at, text, "", part.edition, part.isReset, isFollowed
        )
        self._counts.frames += bool(text) or part.isReset
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
