"""
Reaches the processes of all nodes, at a node that has one process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, gatherResults, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.diagnosis.answers import (
    ALTOGETHER,
    KIND,
    LARGEST,
    Answers,
    NodeQuestion,
    decodeAnswers,
    decodeNodeQuestion,
    decodeProcesses,
    encodeAnswer,
    encodeNodeQuestion,
    encodeProcesses,
)
from aerostack.core.diagnosis.questions import Question, decodeQuestion, encodeQuestion
from aerostack.delivery.lateness import unanswered
from aerostack.errors import RealtimeError
from aerostack.interfaces.nodes import INodes
from aerostack.interfaces.operating import IProcesses

MOST = 8
"""How many questions are asked of other nodes at a time.  This node has the answers of all to
each."""


@implementer(IProcesses)
class NodeProcesses:
    """
    This process, and those of the other nodes.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, nodes: INodes) -> None:
        """
        @param nodes: Reaches the other nodes.
        """
        self._clock = clock
        self._nodes = nodes
        self._answer: Callable[[Question], Any] | None = None
        self._asking = 0

    def start(self, answer: Callable[[Question], Any]) -> None:
        self._answer = answer
        self._nodes.serve(KIND, self._asked)

    def gather(self, question: Question, timeout: float) -> Deferred[Answers]:
        if self._nodes.isAlone:
            return self._ask(question).addCallback(lambda answer: Answers("", {"": answer}, {}))
        if self._asking >= MOST:
            raise RealtimeError("overloaded", "Too many operators ask at the same time.", 1000)
        self._asking += 1
        size = min(LARGEST, ALTOGETHER // (self._nodes.count + 1))
        asked = encodeNodeQuestion(NodeQuestion(encodeQuestion(question), size))
        here = self._encoded(question, size).addTimeout(timeout, self._clock, unanswered)
        both = gatherResults(
            [here.addErrback(self._failed), self._nodes.ask(KIND, asked, timeout)],
            consumeErrors=True,
        )

        def done(result: Any) -> Any:
            self._asking -= 1
            return result

        def answers(found: list[Any]) -> Answers:
            elsewhere = {name: decodeProcesses(data) for name, data in found[1].items()}
            return Answers(
                self._nodes.name,
                decodeAnswers(question, {"": found[0]}),
                {
                    name: None if each is None else decodeAnswers(question, each)
                    for name, each in elsewhere.items()
                },
            )

        return both.addBoth(done).addCallback(answers)

    def _ask(self, question: Question) -> Deferred[Any]:
        assert self._answer is not None, "the console starts before anything is asked"
        return maybeDeferred(self._answer, question)

    def _encoded(self, question: Question, size: int) -> Deferred[bytes]:
        return self._ask(question).addCallback(lambda found: encodeAnswer(question, found, size))

    def _asked(self, data: bytes, timeout: float) -> Deferred[bytes]:
        asked = decodeNodeQuestion(data)
        answering = self._encoded(decodeQuestion(asked.question), min(asked.size, LARGEST))
        return answering.addCallback(lambda answer: encodeProcesses({"": answer}))

    def _failed(self, failure: Failure) -> None:
        if failure.check(TimeoutError, RealtimeError):
            self.log.warn("this process did not answer: {error}", error=failure.value)
        else:
            self.log.failure("this process failed", failure)
