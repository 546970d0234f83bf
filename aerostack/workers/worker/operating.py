"""
Asks every process of the daemon, at a worker: over the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, json, to_builtins
from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.diagnosis.evidence import Evidence
from aerostack.core.diagnosis.fitting import fit
from aerostack.core.diagnosis.questions import (
    LISTS,
    AskEvidence,
    Question,
    decodeQuestion,
    encodeQuestion,
)
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
    Reaches every process, this one among them, over the hub.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self, hub: HubLink) -> None:
        self._hub = hub
        self._answer: Callable[[Question], Any] | None = None
        self.handlers: Mapping[type[Struct], Callable[[Any], Any]] = {AskOne: self._asked}

    def start(self, answer: Callable[[Question], Any]) -> None:
        self._answer = answer

    def gather(self, question: Question, timeout: float) -> Deferred[dict[str, Any]]:
        kind = Evidence if isinstance(question, AskEvidence) else dict[str, Any]
        asked = self._hub.ask(GatherAll(encodeQuestion(question), timeout), timeout + GRACE)
        return asked.addCallbacks(lambda gathered: _decoded(gathered, kind), _unanswered)

    def _asked(self, asked: AskOne) -> Deferred[Answered]:
        assert self._answer is not None, "the console starts before the worker is ready"
        question = decodeQuestion(asked.question)
        lists = LISTS[type(question)]

        def encode(answer: Any) -> Answered:
            found = answer if isinstance(answer, dict) else to_builtins(answer)
            return Answered(fit(found, lists, asked.size))

        answering: Deferred[Any] = maybeDeferred(self._answer, question)
        return answering.addCallback(encode)


def _decoded(gathered: Gathered, kind: Any) -> dict[str, Any]:
    return {
        name: None if answer is None else json.decode(answer, type=kind)
        for name, answer in gathered.answers.items()
    }


def _unanswered(failure: Failure) -> Failure:
    if failure.check(TimeoutError, ChannelLost):
        raise RealtimeError("overloaded", "The hub has not answered.", 1000)
    return failure
