"""
Pages of long lists that are not in the order in which they are shown.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import nsmallest


class Page:
    """
    The first names after a given one, from names that come in pieces.

    It remembers and sorts only the names of the page.

    @ivar total: How many names came.
    """

    def __init__(self, limit: int, after: str) -> None:
        """
        @param limit: How many names the page has at the most.
        @param after: The last name of the page before; empty for the first page.
        """
        self.total = 0
        self._limit = limit
        self._after = after
        # One more than is shown, to know whether there is more.
        self._first: list[str] = []

    def add(self, names: Collection[str]) -> None:
        """
        Add some names.
        """
        self.total += len(names)
        if len(self._first) > self._limit:
            # Fast path: soon nearly every name is after the page.
            last = self._first[-1]
            behind = [name for name in names if self._after < name < last]
        else:
            behind = [name for name in names if name > self._after]
        if behind:
            # A name may come twice, if its place has changed meanwhile.
            self._first = nsmallest(self._limit + 1, {*self._first, *behind})

    @property
    def names(self) -> list[str]:
        """The names on the page, in order."""
        return self._first[: self._limit]

    @property
    def more(self) -> bool:
        """Whether there are names after the page."""
        return len(self._first) > self._limit
