"""
Publishes the texts that token streams have grown by.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.answers.answer import Answer
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

    def __init__(
        self,
        clock: IReactorTime,
        runs: Runs,
        placing: Placing,
        publisher: Publisher,
        counts: Counting,
    ) -> None:
        self.ticker = Ticker(clock, self._publish, publisher.isReady, publisher.whenSent)
        self._runs = runs
        self._placing = placing
        self._counts = counts

    def _publish(self, answer: Answer, mayWait: bool) -> None:
        """Publish what a stream has grown by."""
        run = self._runs.of(answer)
        if run is None or answer.end is not None:
            return
        if (run.given and mayWait) or not self._runs.isSure():
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
                self._counts.frames += 1
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
