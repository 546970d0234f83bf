"""
Tests for L{aerostack.core.diagnosis.paging}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import integers, lists, text
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.paging import Page


class PageTests(SynchronousTestCase):
    """
    Tests for L{Page}.
    """

    @given(lists(lists(text(max_size=3), unique=True)), integers(1, 5), text(max_size=2))
    def test_sorted(self, pieces: list[list[str]], limit: int, after: str) -> None:
        """
        A page is the same as after sorting all names.
        """
        page = Page(limit, after)
        for piece in pieces:
            page.add(piece)
        every = sorted({name for piece in pieces for name in piece if name > after})
        self.assertEqual(page.names, every[:limit])
        self.assertEqual(page.more, len(every) > limit)
        self.assertEqual(page.total, sum(map(len, pieces)))

    def test_pages(self) -> None:
        """
        Consecutive pages have every name once.
        """
        names = [f"t{number:02}" for number in range(25)]
        found: list[str] = []
        after, more = "", True
        while more:
            page = Page(10, after)
            page.add(names[::-1])
            found += page.names
            after, more = page.names[-1], page.more
        self.assertEqual(found, names)
