"""
Pages of long lists that are not in the order in which they are shown.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import nsmallest


class Page:
    """
    The first names behind one, of those that are given bit by bit.

    No more is remembered than the page has, and nothing is sorted but that.

    @ivar total: How many were given.
    """

    def __init__(self, limit: int, after: str) -> None:
        """
        @param limit: How many names it has at the most.
        @param after: The last name of the page before; empty for the first page.
        """
        self.total = 0
        self._limit = limit
        self._after = after
        # One more than is shown, to know whether there is more.
        self._first: list[str] = []

    def add(self, names: Collection[str]) -> None:
        """
        Take note of names.
        """
        self.total += len(names)
        if len(self._first) > self._limit:
            # Soon nearly everything is behind the page.
            last = self._first[-1]
            behind = [name for name in names if self._after < name < last]
        else:
            behind = [name for name in names if name > self._after]
        if behind:
            # One may come again, if where it stands has changed meanwhile.
            self._first = nsmallest(self._limit + 1, {*self._first, *behind})

    @property
    def names(self) -> list[str]:
        """Those on the page, in their order."""
        return self._first[: self._limit]

    @property
    def more(self) -> bool:
        """Whether there are names behind it."""
        return len(self._first) > self._limit
