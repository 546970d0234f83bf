"""
Goes through long lists without holding up the reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.delivery.slices import makeCooperator

PIECE = 1000
"""How many entries of a long list are examined before the time is checked."""


class Pieces:
    """
    Goes through long lists in pieces, and lets the reactor turn between two pieces.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._cooperator = makeCooperator(clock)

    def look(self, *looks: tuple[Sequence[Any], Callable[[Any], object]]) -> Deferred[Any]:
        """
        Examine all items of some sequences, a piece at a time.

        @param looks: Pairs of a sequence and a function that examines a piece of it.
        @return: Fires when all have been examined.
        """

        def work() -> Iterator[None]:
            for things, look in looks:
                for begin in range(0, len(things), PIECE):
                    look(things[begin : begin + PIECE])
                    yield

        return self._cooperator.coiterate(work())
