"""
The engine of a daemon that is alone.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from aerostack.core.replay.publications import Publication
from aerostack.interfaces.messaging import IEngine


@implementer(IEngine)
class MemoryEngine:
    """
    Passes every publication on to this daemon at once, in the order in which they come.
    """

    def __init__(self) -> None:
        self._receive: Callable[[Publication], None] | None = None

    def start(self, receive: Callable[[Publication], None]) -> None:
        self._receive = receive

    def publish(self, publication: Publication) -> None:
        if self._receive is None:
            raise RuntimeError("the engine is not started")
        self._receive(publication)
