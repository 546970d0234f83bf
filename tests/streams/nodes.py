"""
Other nodes, for tests of streams.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed


class FakeNodes:
    """
    The other nodes, as one of them sees them.

    @ivar answers: What serves each of the others, by its name; L{None} for one that is silent.
    @ivar told: The questions that need no answer.
    """

    name = "here"
    isAlone = False

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[bytes, float], Deferred[bytes]] | None] = {}
        self.served: Any = None
        self.told: list[bytes] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.answers)

    def serve(self, kind: str, answer: Any) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self.served = answer

    def tell(self, kind: str, data: bytes) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self.told.append(data)

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
        """See L{aerostack.interfaces.nodes.INodes}."""
        found: dict[str, bytes | None] = {}
        for name, answer in self.answers.items():
            if answer is None:
                found[name] = None
            else:
                answer(data, timeout).addCallback(lambda data, n=name: found.update({n: data}))
        return succeed(found)
