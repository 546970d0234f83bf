"""
How much may be asked at once.
"""

from __future__ import annotations

MOST = 100
"""How many requests may wait for their answers at once."""

_GROWTH = 0.125


class Window:
    """
    Bounds the requests that are under way.

    It opens a little with every answer, and halves when one is refused for being too
    fast: a client that came back with a lot to say, and said all of it again and again,
    would be closed for flooding.
    """

    def __init__(self) -> None:
        self._size = float(MOST)
        self._open = 0

    def enter(self) -> bool:
        """
        Make a request, if there may be one more.
        """
        if self._open >= int(self._size):
            return False
        self._open += 1
        return True

    def answered(self, tooFast: bool = False) -> None:
        """
        A request was answered.

        @param tooFast: By a refusal, because they come too fast.
        """
        self._open = max(0, self._open - 1)
        self._size = max(self._size / 2, 1.0) if tooFast else min(self._size + _GROWTH, MOST)

    def lost(self) -> None:
        """
        Nothing is under way any more: the connection is gone.
        """
        self._open = 0
