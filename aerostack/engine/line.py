"""
The line of a daemon that is alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.errors import RealtimeError
from aerostack.interfaces.line import ILine


@implementer(ILine)
class LocalLine:
    """
    Reaches this node only.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, node: str) -> None:
        """
        @param node: The name of this node.
        """
        self._clock = clock
        self._node = node
        self._receive: Callable[[Any], Deferred[Any]] | None = None

    def start(self, receive: Callable[[Any], Deferred[Any]]) -> None:
        self._receive = receive

    def tell(self, what: Any) -> None:
        self._send(what).addErrback(self._failed)

    def ask(self, what: Any, timeout: float) -> Deferred[dict[str, Any]]:
        answered = self._send(what).addTimeout(timeout, self._clock).addErrback(self._failed)
        return answered.addCallback(lambda answer: {self._node: answer})

    def _send(self, what: Any) -> Deferred[Any]:
        if self._receive is None:
            raise RuntimeError("the line is not started")
        return maybeDeferred(self._receive, what)

    def _failed(self, failure: Failure) -> None:
        if failure.check(TimeoutError, RealtimeError):
            self.log.warn("{node} did not do it: {error}", node=self._node, error=failure.value)
        else:
            self.log.failure("{node} failed", failure, node=self._node)
