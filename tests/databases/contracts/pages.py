"""
Tests of reading messages in pages, for every database.
"""

from __future__ import annotations

from contextlib import closing

from hypothesis import strategies as st

from tests.databases.contracts.history import HistoryContract

PAGING = {
    "steps": st.lists(st.one_of(st.integers(0, 20), st.none()), max_size=40),
    "limit": st.integers(1, 5),
}
"""For L{PageContract.checkPages}: the times at which messages are kept, with L{None} where a page
is read; and the size of a page."""


class PageContract(HistoryContract):
    """
    Reading messages in pages.
    """

    def test_newestFirst(self) -> None:
        """
        A page has the newest messages of its topic before C{before}, and no others.
        """
        for time in (1, 2, 3, 4, 5):
            self.keep(time)
            self.keep(time, "chat/ab/p")
        self.assertEqual(self.times(limit=2), [5, 4])
        self.assertEqual(self.times(limit=2, before=4), [3, 2])
        self.assertEqual(self.times(limit=2, before=2), [1])
        self.assertEqual(self.times(limit=2, before=1), [])
        self.assertEqual(self.times("chat/c/p"), [])

    def checkPages(self, steps: list[int | None], limit: int) -> None:
        """
        Check that a reader of pages sees every message that existed at its first page, once,
        whatever is kept between two pages, and whatever the clock says.
        """
        self.forget()
        expected: list[int] = []
        seen: list[int] = []
        before: int | None = None
        for step in steps:
            if step is not None:
                kept = self.keep(step).createdAt
                if not seen:
                    expected.insert(0, kept)
            elif seen or expected:
                page = self.times(limit=limit, before=before)
                seen += page
                before = page[-1] if page else before
        while page := self.times(limit=limit, before=before):
            seen += page
            before = page[-1]
        self.assertEqual(seen, expected)

    def test_twoWriters(self) -> None:
        """
        Two daemons on one database never give two messages of a topic the same time.
        """
        with closing(self.open()) as other:
            histories = [self.history, self.makeHistory(database=other)]
            times = [
                self.successResultOf(histories[n % 2].append(self.message(7))).createdAt
                for n in range(6)
            ]
        self.assertEqual(times, list(range(7, 13)))
