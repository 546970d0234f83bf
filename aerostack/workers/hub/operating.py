"""
Asks every process what an operator wants to know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.diagnosis.fitting import fit
from aerostack.core.diagnosis.questions import HUB, LISTS, Question, decodeQuestion
from aerostack.errors import RealtimeError
from aerostack.workers.channel import ChannelLost
from aerostack.workers.hub.line import AskedLink
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.operating import Answered, AskOne, GatherAll, Gathered

MOST = 8
"""How many questions are asked at a time.  The hub has the answers of all workers to each."""

LARGEST = 1_048_576
"""How many bytes the answer of a process may have."""

ALTOGETHER = 12_582_912
"""How many bytes all answers to a question may have; they go back in one message."""


class WorkerAnswers:
    """
    Asks all workers and the hub for a worker that an operator has asked.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        names: Sequence[str],
        answer: Callable[[Question], dict[str, Any] | Deferred[dict[str, Any]] | None],
    ) -> None:
        """
        @param names: The names of all workers that there should be.
        @param answer: Answers for the hub; L{None} if the hub has nothing to add.
        """
        self._clock = clock
        self._names = names
        self._answer = answer
        self._links: dict[str, AskedLink] = {}
        self._asking = 0
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Any]] = {GatherAll: self._gather}

    def joined(self, link: AskedLink, name: str) -> None:
        """
        Note that a worker was started.
        """
        self._links[name] = link

    def lost(self, link: AskedLink) -> None:
        """
        Note that a worker is gone.
        """
        self._links = {name: each for name, each in self._links.items() if each is not link}

    def _gather(self, link: Link, asked: GatherAll) -> Deferred[Gathered]:
        if self._asking >= MOST:
            raise RealtimeError("overloaded", "Too many operators ask at the same time.", 1000)
        question = decodeQuestion(asked.question)
        size = min(LARGEST, ALTOGETHER // (len(self._names) + 1))
        answers: dict[str, bytes | None] = dict.fromkeys(self._names)
        own = self._answer(question)
        waiting = [
            each.ask(AskOne(asked.question, size), asked.timeout).addCallbacks(
                partial(self._answered, answers, name), partial(self._failed, name)
            )
            for name, each in self._links.items()
        ]
        if own is not None:
            answers[HUB] = None
            waiting.append(self._encode(own, question, size, asked.timeout, answers))
        self._asking += 1

        def done(result: Any) -> Any:
            self._asking -= 1
            return result

        gathering = gatherResults(waiting, consumeErrors=True).addBoth(done)
        return gathering.addCallback(lambda _: Gathered(answers))

    def _encode(
        self,
        own: dict[str, Any] | Deferred[dict[str, Any]],
        question: Question,
        size: int,
        timeout: float,
        answers: dict[str, bytes | None],
    ) -> Deferred[None]:
        """Put the hub's own answer among the others."""

        def encoded(found: dict[str, Any]) -> None:
            answers[HUB] = fit(found, LISTS[type(question)], size)

        answering = own if isinstance(own, Deferred) else succeed(own)
        return (
            answering.addTimeout(timeout, self._clock)
            .addCallback(encoded)
            .addErrback(partial(self._failed, HUB))
        )

    def _answered(self, answers: dict[str, bytes | None], name: str, found: Answered) -> None:
        answers[name] = found.answer

    def _failed(self, name: str, failure: Failure) -> None:
        if failure.check(TimeoutError, ChannelLost, RealtimeError):
            self.log.warn("{name} did not answer: {error}", name=name, error=failure.value)
        else:
            self.log.failure("{name} failed", failure, name=name)
