"""
Nodes that reach each other in memory, for tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from zope.interface import implementer

from aerostack.interfaces.nodes import INodes


@implementer(INodes)
class MemoryNodes:
    """
    One of several nodes.

    @ivar isFrozen: Whether it answers nothing.
    """

    isAlone = False

    def __init__(self, clock: Clock, name: str, group: dict[str, MemoryNodes]) -> None:
        """
        @param group: All nodes by their names, to which this one is added.
        """
        self.name = name
        self.isFrozen = False
        self._clock = clock
        self._group = group
        self._handlers: dict[str, Callable[[bytes, float], Deferred[bytes]]] = {}
        group[name] = self

    @property
    def count(self) -> int:
        return len(self._group) - 1

    def serve(self, kind: str, answer: Callable[[bytes, float], Deferred[bytes]]) -> None:
        self._handlers[kind] = answer

    def tell(self, kind: str, data: bytes) -> None:
        self.ask(kind, data, 1.0)

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[Any]:
        others = [each for name, each in self._group.items() if each is not self]
        asked = [each.answer(kind, data, timeout) for each in others]
        names = [each.name for each in others]
        return gatherResults(asked).addCallback(lambda found: dict(zip(names, found, strict=True)))

    def answer(self, kind: str, data: bytes, timeout: float) -> Deferred[Any]:
        """
        Answer another node.
        """
        answering: Deferred[Any] = (
            Deferred() if self.isFrozen else self._handlers[kind](data, timeout)
        )
        return answering.addTimeout(timeout, self._clock).addErrback(lambda failure: None)
