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

from aerostack.core.diagnosis.answers import (
    ALTOGETHER,
    IN_TIME,
    KIND,
    LARGEST,
    NodeQuestion,
    decodeNodeQuestion,
    decodeProcesses,
    encodeAnswer,
    encodeNodeQuestion,
    encodeProcesses,
)
from aerostack.core.diagnosis.questions import HUB, Question, decodeQuestion
from aerostack.delivery.lateness import unanswered
from aerostack.errors import RealtimeError
from aerostack.interfaces.nodes import INodes
from aerostack.workers.channel import ChannelLost
from aerostack.workers.hub.line import AskedLink
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.operating import Answered, AskOne, GatherAll, Gathered

MOST = 8
"""How many questions are asked at a time.  The hub has the answers of all workers to each."""


class WorkerAnswers:
    """
    Asks all workers, the hub and the other nodes for a worker that an operator has asked.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        names: Sequence[str],
        answer: Callable[[Question], dict[str, Any] | Deferred[dict[str, Any]] | None],
        nodes: INodes,
    ) -> None:
        """
        @param nodes: Reaches the other nodes.
        @param names: The names of all workers that there should be.
        @param answer: Answers for the hub; L{None} if the hub has nothing to add.
        """
        self._clock = clock
        self._names = names
        self._answer = answer
        self._links: dict[str, AskedLink] = {}
        self._asking = 0
        self._nodes = nodes
        nodes.serve(KIND, self._asked)
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
        self._asking += 1
        nodes = self._nodes
        # All answers go back in one message.
        size = ALTOGETHER // (nodes.count + 1)
        question = encodeNodeQuestion(NodeQuestion(asked.question, size))
        both = gatherResults(
            [
                self._askProcesses(asked.question, size, asked.timeout),
                nodes.ask(KIND, question, asked.timeout),
            ],
            consumeErrors=True,
        )

        def done(result: Any) -> Any:
            self._asking -= 1
            return result

        def gathered(found: list[Any]) -> Gathered:
            elsewhere = {name: decodeProcesses(data) for name, data in found[1].items()}
            return Gathered("" if nodes.isAlone else nodes.name, found[0], elsewhere)

        return both.addBoth(done).addCallback(gathered)

    def _asked(self, data: bytes, timeout: float) -> Deferred[bytes]:
        """Answer another node."""
        asked = decodeNodeQuestion(data)
        answering = self._askProcesses(asked.question, asked.size, IN_TIME * timeout)
        return answering.addCallback(encodeProcesses)

    def _askProcesses(
        self, asked: bytes, size: int, timeout: float
    ) -> Deferred[dict[str, bytes | None]]:
        """
        @param asked: The bytes of the question.
        @param size: How many bytes the answers may have.
        """
        question = decodeQuestion(asked)
        size = min(LARGEST, size // (len(self._names) + 1))
        answers: dict[str, bytes | None] = dict.fromkeys(self._names)
        own = self._answer(question)
        waiting = [
            each.ask(AskOne(asked, size), timeout).addCallbacks(
                partial(self._answered, answers, name), partial(self._failed, name)
            )
            for name, each in self._links.items()
        ]
        if own is not None:
            answers[HUB] = None
            waiting.append(self._encode(own, question, size, timeout, answers))
        return gatherResults(waiting, consumeErrors=True).addCallback(lambda _: answers)

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
            answers[HUB] = encodeAnswer(question, found, size)

        answering = own if isinstance(own, Deferred) else succeed(own)
        return (
            answering.addTimeout(timeout, self._clock, unanswered)
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
