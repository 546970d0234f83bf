"""
The other nodes of a daemon that has no engine: there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_bytes

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from aerostack.core.nodes.seals import KEY
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
        self._key = token_bytes(KEY)

    def whenSealed(self, take: Callable[[bytes], object]) -> None:
        take(self._key)

    def serve(self, kind: str, answer: Answer) -> None:
        """No other node asks."""

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
        return succeed({})

    def tell(self, kind: str, data: bytes) -> None:
        """No other node gets it."""
