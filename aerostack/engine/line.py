"""
The line of a node that has one process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, gatherResults, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.access.orders import (
    KIND,
    decodeOrder,
    encodeCounts,
    encodeOrder,
    namedCounts,
)
from aerostack.core.access.removals import Disconnect, Revocation
from aerostack.errors import RealtimeError
from aerostack.interfaces.line import ILine
from aerostack.interfaces.nodes import INodes

What = Disconnect | Revocation


@implementer(ILine)
class NodeLine:
    """
    Reaches this process, and the other nodes.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, nodes: INodes) -> None:
        """
        @param nodes: Reaches the other nodes.
        """
        self._clock = clock
        self._nodes = nodes
        self._receive: Callable[[What], Deferred[Any]] | None = None

    def start(self, receive: Callable[[What], Deferred[Any]]) -> None:
        self._receive = receive
        self._nodes.serve(KIND, self._asked)

    def tell(self, what: What) -> None:
        self._send(what).addErrback(self._failed)
        self._nodes.tell(KIND, encodeOrder(what))

    def ask(self, what: What, timeout: float) -> Deferred[dict[str, Any]]:
        here = self._send(what).addTimeout(timeout, self._clock).addErrback(self._failed)
        others = self._nodes.ask(KIND, encodeOrder(what), timeout).addCallback(namedCounts)
        both = gatherResults([here, others], consumeErrors=True)
        return both.addCallback(lambda found: {self._nodes.name: found[0], **found[1]})

    def _asked(self, data: bytes, timeout: float) -> Deferred[bytes]:
        done = self._send(decodeOrder(data)).addErrback(self._failed)
        return done.addCallback(lambda count: encodeCounts({"": count}))

    def _send(self, what: What) -> Deferred[Any]:
        if self._receive is None:
            raise RuntimeError("the line is not started")
        return maybeDeferred(self._receive, what)

    def _failed(self, failure: Failure) -> None:
        node = self._nodes.name
        if failure.check(TimeoutError, RealtimeError):
            self.log.warn("{node} did not do it: {error}", node=node, error=failure.value)
        else:
            self.log.failure("{node} failed", failure, node=node)
