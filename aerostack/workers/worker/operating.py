"""
Asks every process of the daemon, at a worker: over the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.diagnosis.answers import Answers, decodeAnswers, encodeAnswer
from aerostack.core.diagnosis.questions import Question, decodeQuestion, encodeQuestion
from aerostack.errors import RealtimeError
from aerostack.interfaces.operating import IProcesses
from aerostack.workers.channel import ChannelLost
from aerostack.workers.messages.operating import Answered, AskOne, GatherAll, Gathered
from aerostack.workers.worker.links import HubLink

GRACE = 1.0
"""How many seconds longer a worker waits than the hub, which names those that do not answer."""


@implementer(IProcesses)
class RemoteProcesses:
    """
    Reaches every process, this one among them, and the other nodes, over the hub.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self, hub: HubLink) -> None:
        self._hub = hub
        self._answer: Callable[[Question], Any] | None = None
        self.handlers: Mapping[type[Struct], Callable[[Any], Any]] = {AskOne: self._asked}

    def start(self, answer: Callable[[Question], Any]) -> None:
        self._answer = answer

    def gather(self, question: Question, timeout: float) -> Deferred[Answers]:
        asked = self._hub.ask(GatherAll(encodeQuestion(question), timeout), timeout + GRACE)
        return asked.addCallbacks(lambda gathered: _decoded(question, gathered), _unanswered)

    def _asked(self, asked: AskOne) -> Deferred[Answered]:
        assert self._answer is not None, "the console starts before the worker is ready"
        question = decodeQuestion(asked.question)
        answering: Deferred[Any] = maybeDeferred(self._answer, question)
        return answering.addCallback(
            lambda answer: Answered(encodeAnswer(question, answer, asked.size))
        )


def _decoded(question: Question, gathered: Gathered) -> Answers:
    return Answers(
        gathered.name,
        decodeAnswers(question, gathered.answers),
        {
            name: None if each is None else decodeAnswers(question, each)
            for name, each in gathered.elsewhere.items()
        },
    )


def _unanswered(failure: Failure) -> Failure:
    if failure.check(TimeoutError, ChannelLost):
        raise RealtimeError("overloaded", "The hub has not answered.", 1000)
    return failure
