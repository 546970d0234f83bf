"""
Removes users on all workers and on the other nodes, and keeps revocations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.access.orders import (
    KIND,
    decodeOrder,
    encodeCounts,
    encodeOrder,
    namedCounts,
)
from aerostack.errors import RealtimeError
from aerostack.interfaces.nodes import INodes
from aerostack.interfaces.revocations import IRevocationStore
from aerostack.workers.channel import ChannelLost
from aerostack.workers.hub.links import Link
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
from aerostack.workers.messages.shares import Done

PATIENCE = 30.0
"""Seconds after which the log says that a worker has not carried out an order."""


IN_TIME = 0.8
"""The part of the time of another node that is left for workers, so that its answer, which names
those that are late, comes in time."""


class AskedLink(Link, Protocol):
    """
    A worker's link that carries questions of the hub, too.
    """

    def ask(self, question: Struct, timeout: float) -> Deferred[Any]:
        """Send a question; see L{aerostack.workers.channel.Channel.ask}."""


class WorkerLine:
    """
    Reaches every worker, and the other nodes.

    @ivar handlers: See L{aerostack.workers.hub}.
    @ivar names: The names of the workers, by their links.
    """

    log = Logger()

    def __init__(self, store: IRevocationStore, nodes: INodes) -> None:
        """
        @param store: Keeps revocations.
        @param nodes: Reaches the other nodes.
        """
        self._store = store
        self._nodes = nodes
        nodes.serve(KIND, self._asked)
        self.names: dict[AskedLink, str] = {}
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Any]] = {
            AskAll: lambda link, question: self._askAll(question.order, question.timeout),
            TellAll: self._tellAll,
            Keep: self._keep,
            ReadRevocations: self._read,
            Forget: self._forget,
        }

    def joined(self, link: AskedLink, name: str) -> None:
        """
        Note that there is one more worker.
        """
        self.names[link] = name

    def lost(self, link: AskedLink) -> None:
        """
        Note that a worker is gone.
        """
        del self.names[link]

    # Removing users

    def _tellAll(self, link: Link, message: TellAll) -> None:
        self._askWorkers(message.order, PATIENCE)
        self._nodes.tell(KIND, encodeOrder(message.order.what))

    def _askAll(self, order: Order, timeout: float) -> Deferred[Answers]:
        others = self._nodes.ask(KIND, encodeOrder(order.what), timeout).addCallback(namedCounts)
        both = gatherResults([self._askWorkers(order, timeout), others], consumeErrors=True)

        def answer(found: list[dict[str, int | None]]) -> Answers:
            here = {f"{self._nodes.name}/{name}": count for name, count in found[0].items()}
            return Answers({**here, **found[1]})

        return both.addCallback(answer)

    def _asked(self, data: bytes, timeout: float) -> Deferred[bytes]:
        order = orderOf(decodeOrder(data))
        return self._askWorkers(order, IN_TIME * timeout).addCallback(encodeCounts)

    def _askWorkers(self, order: Order, timeout: float) -> Deferred[dict[str, int | None]]:
        names = list(self.names.values())
        asked = [
            link.ask(order, timeout).addCallbacks(_count, partial(self._failed, name))
            for link, name in self.names.items()
        ]
        return gatherResults(asked).addCallback(lambda found: dict(zip(names, found, strict=True)))

    def _failed(self, name: str, failure: Failure) -> None:
        if failure.check(TimeoutError, ChannelLost, RealtimeError):
            self.log.warn("{name} did not do it: {error}", name=name, error=failure.value)
        else:
            self.log.failure("{name} failed", failure, name=name)

    # The database

    def _keep(self, link: Link, question: Keep) -> Deferred[Done]:
        return self._store.keep(question.revocation).addCallback(lambda _: Done())

    def _read(self, link: Link, question: ReadRevocations) -> Deferred[Found]:
        return self._store.read((question.project,), question.now).addCallback(Found)

    def _forget(self, link: Link, question: Forget) -> Deferred[Done]:
        return self._store.forget(question.now).addCallback(lambda _: Done())


def _count(answer: Obeyed) -> int:
    return answer.count
