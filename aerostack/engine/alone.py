"""
The other nodes of a daemon that has no engine: there are none.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from aerostack.interfaces.nodes import INodes

Answer = Callable[[bytes, float], Deferred[bytes]]
"""See L{aerostack.interfaces.nodes.INodes.serve}."""


@implementer(INodes)
class AloneNodes:
    """
    Reaches no other node.
    """

    isAlone = True
    count = 0

    def __init__(self, name: str) -> None:
        """
        @param name: The name of this node.
        """
        self.name = name

    def serve(self, kind: str, answer: Answer) -> None:
        """No other node asks."""

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
        return succeed({})

    def tell(self, kind: str, data: bytes) -> None:
        """No other node gets it."""
