"""
Ends token streams.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from aerostack.core.answers.answer import CANCELLED, End
from aerostack.core.answers.requests import Ended
from aerostack.streams.counting import Counting
from aerostack.streams.placing import Placing
from aerostack.streams.run import Run
from aerostack.streams.runs import Runs
from aerostack.streams.ticking import Ticker


class Ending:
    """
    Ends streams that run here.
    """

    def __init__(self, runs: Runs, ticker: Ticker, placing: Placing, counts: Counting) -> None:
        self._runs = runs
        self._ticker = ticker
        self._placing = placing
        self._counts = counts

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
            self._ticker.flush(answer.topic)
        self._ticker.forget(answer)
        answer.end = end
        run.isFinished = True
        self._counts.ended[end.state] += 1
        self._runs.over(answer)
        run.tell(end.state, end.by, end.reason)
        self._placing.close(run, data, persist or answer.terms.persist)

    def outcomeOf(self, run: Run) -> Deferred[Ended]:
        """
        Wait for the outcome of a stream that was ended.

        @return: Fails with L{RealtimeError} if another node has the stream.
        """
        answer = run.answer
        return run.outcome.wait().addCallback(
            lambda receipt: Ended(answer.id, answer.state, receipt is not None)
        )
