"""
Removes users on all workers, and keeps revocations, at a worker: the hub does both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.access.removals import Disconnect, Revocation
from aerostack.interfaces.line import ILine
from aerostack.interfaces.revocations import IRevocationStore
from aerostack.workers.channel import ChannelLost
from aerostack.workers.messages.line import (
    Answers,
    AskAll,
    Forget,
    Found,
    Keep,
    Obeyed,
    Order,
    ReadRevocations,
    TellAll,
    orderOf,
)
from aerostack.workers.worker.asking import BoundedQuestions
from aerostack.workers.worker.links import HubLink

GRACE = 1.0
"""How many seconds longer a worker waits than the hub, which names those that do not answer."""

COST = 1000
"""About how many bytes a question has."""

What = Disconnect | Revocation


@implementer(ILine)
class RemoteLine:
    """
    Reaches every worker, this one among them, and the other nodes, over the hub.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    log = Logger()

    def __init__(self, channel: HubLink, node: str) -> None:
        """
        @param node: The name of this node.
        """
        self._channel = channel
        self._node = node
        self._receive: Callable[[What], Deferred[int]] | None = None
        self.handlers: Mapping[type[Struct], Callable[[Any], Any]] = {Order: self._obey}

    def start(self, receive: Callable[[What], Deferred[int]]) -> None:
        self._receive = receive

    def tell(self, what: What) -> None:
        self._channel.send(TellAll(orderOf(what)))

    def ask(self, what: What, timeout: float) -> Deferred[dict[str, Any]]:
        asked = self._channel.ask(AskAll(orderOf(what), timeout), timeout + GRACE)
        return asked.addCallbacks(_counts, self._unanswered)

    def _unanswered(self, failure: Failure) -> dict[str, Any]:
        if failure.check(TimeoutError, ChannelLost):
            self.log.warn("the hub did not answer: {error}", error=failure.value)
        else:
            self.log.failure("the hub failed", failure)
        return {self._node: None}

    def _obey(self, order: Order) -> Deferred[Obeyed]:
        if self._receive is None:
            raise RuntimeError("the line is not started")
        return self._receive(order.what).addCallback(Obeyed)


def _counts(answer: Answers) -> dict[str, Any]:
    return dict(answer.counts)


@implementer(IRevocationStore)
class RemoteRevocations:
    """
    Has the hub keep revocations.
    """

    def __init__(self, channel: HubLink) -> None:
        self._questions = BoundedQuestions(channel)

    def keep(self, revocation: Revocation) -> Deferred[None]:
        return self._questions.ask(Keep(revocation), COST).addCallback(lambda _: None)

    def read(self, projects: Iterable[str], now: int) -> Deferred[list[Revocation]]:
        return Deferred.fromCoroutine(self._read(tuple(projects), now))

    async def _read(self, projects: Iterable[str], now: int) -> list[Revocation]:
        # One after the other: those of one project go into one message.
        found: list[Revocation] = []
        for project in projects:
            answer: Found = await self._questions.ask(ReadRevocations(project, now), COST)
            found += answer.revocations
        return found

    def forget(self, now: int) -> Deferred[None]:
        return self._questions.ask(Forget(now), COST).addCallback(lambda _: None)
