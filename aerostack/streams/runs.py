"""
The token streams that run here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.openstream import OpenStream
from aerostack.errors import RealtimeError
from aerostack.interfaces.openstreams import IOpenStreams
from aerostack.streams.refusals import ended, unproduced
from aerostack.streams.run import Run, Stopped


class Runs:
    """
    The streams that run here, and those that have ended here a while ago.

    @ivar emitted: The streams of events that servers emit, by their topics.
    @ivar register: Where other nodes learn which streams this one leaves without ends; L{None} if
        there are no other nodes.
    @ivar ended: Called with a stream that runs here no longer, and whose end is published.
    @ivar isSure: Tells whether this node may publish of its streams now: other nodes have not
        taken it for dead.
    """

    def __init__(self, answers: Answers, now: Callable[[], float]) -> None:
        """
        @param now: Gives the clock's time, seconds.
        """
        self.emitted: dict[str, Answer] = {}
        self.register: IOpenStreams | None = None
        self.ended: Callable[[Answer], object] = lambda answer: None
        self.isSure: Callable[[], bool] = lambda: True
        self._answers = answers
        self._now = now
        self._runs: dict[Answer, Run] = {}

    def __iter__(self) -> Iterator[Run]:
        return iter(tuple(self._runs.values()))

    @property
    def running(self) -> list[Answer]:
        """The streams that run here, and have not been ended here."""
        return [answer for answer, run in self._runs.items() if not run.isFinished]

    def of(self, answer: Answer) -> Run | None:
        """
        What is known of a stream that runs here, or has ended a while ago.
        """
        return self._runs.get(answer)

    def find(self, project: str, stream: str) -> Run | None:
        """
        Find a stream that runs here, or has ended a while ago.

        @return: L{None} if only another node has it, or no node.
        """
        answer = self._answers.get(project, stream)
        return None if answer is None else self._runs.get(answer)

    def producing(self, project: str, stream: str, epoch: int) -> Run:
        """
        Find the stream of a producer, which has given a sign.

        @raise RealtimeError: C{stream_unknown}, C{stream_ended} or C{stream_fenced}.
        """
        run = self.find(project, stream)
        if run is None:
            raise unproduced(stream)
        answer = run.answer
        if answer.end is not None:
            raise ended(answer)
        if answer.terms.implicit:
            raise unproduced(stream)
        if epoch != answer.epoch:
            raise RealtimeError(
                "stream_fenced",
                f"The stream {stream} has another producer, with the epoch {answer.epoch}.",
                details={"stream": stream},
            )
        run.renew(self._now())
        return run

    def begin(self, answer: Answer, stopped: Stopped | None = None) -> Run:
        """
        Let a stream begin here.

        @param stopped: See L{Run}.
        """
        self._answers.enter(answer)
        return self.add(answer, stopped)

    def add(self, answer: Answer, stopped: Stopped | None = None) -> Run:
        """
        Let a stream run here that is known already.

        @param stopped: See L{Run}.
        """
        if self.register is not None:
            self.register.opened(openStreamOf(answer))
        now = self._now()
        run = self._runs[answer] = Run(answer, now, now + answer.terms.lease, now, stopped)
        return run

    def over(self, answer: Answer) -> None:
        """
        Note that a stream takes no more events that servers emit.
        """
        if self.emitted.get(answer.topic) is answer:
            del self.emitted[answer.topic]

    def closed(self, answer: Answer) -> None:
        """
        Note that the end of a stream that ran here is published.
        """
        if self.register is not None:
            self.register.closed(openStreamOf(answer))
        self.ended(answer)

    def remove(self, answer: Answer) -> Run | None:
        """
        Forget what is known of a stream, because it has ended a while ago, or another node has it.

        @return: What was known.
        """
        run = self._runs.pop(answer, None)
        self.closed(answer)
        return run


def openStreamOf(answer: Answer) -> OpenStream:
    """
    What nodes tell each other of a stream.
    """
    return OpenStream(answer.topic, answer.id, answer.began)
