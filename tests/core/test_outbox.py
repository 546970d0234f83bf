"""
Tests for L{aerostack.core.outbox}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.outbox import Outbox

sizes = st.lists(st.integers(0, 100), max_size=30)


class OutboxTests(SynchronousTestCase):
    """
    Tests for L{Outbox}.
    """

    @given(sizes)
    def test_flowing(self, sizes: list[int]) -> None:
        """
        While the socket takes what it gets, nothing waits, however much there was.
        """
        outbox = Outbox(10)
        self.assertTrue(all(outbox.add(size) for size in sizes))
        self.assertEqual(outbox.waiting, 0)

    @given(sizes, st.integers(0, 500))
    def test_congested(self, sizes: list[int], limit: int) -> None:
        """
        From congestion on every byte counts, and what passes the limit may not be written.
        """
        outbox = Outbox(limit)
        outbox.congested()
        for count, size in enumerate(sizes, 1):
            self.assertEqual(outbox.add(size), sum(sizes[:count]) <= limit)
            self.assertEqual(outbox.waiting, sum(sizes[:count]))

    def test_limit(self) -> None:
        """
        Exactly the limit may wait; one byte more may not.
        """
        outbox = Outbox(10)
        outbox.congested()
        self.assertTrue(outbox.add(10))
        self.assertFalse(outbox.add(1))

    def test_drained(self) -> None:
        """
        A socket that has drained begins anew.
        """
        outbox = Outbox(10)
        outbox.congested()
        outbox.add(10)
        outbox.drained()
        self.assertEqual(outbox.waiting, 0)
        self.assertTrue(outbox.add(1000))
        outbox.congested()
        self.assertTrue(outbox.add(10))

    def test_congestedTwice(self) -> None:
        """
        Being told of the same congestion again forgets nothing.
        """
        outbox = Outbox(10)
        outbox.congested()
        outbox.add(6)
        outbox.congested()
        self.assertFalse(outbox.add(6))
