"""
Tests for L{aerostack.core.rows.transactions}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.transactions import OpenTransactions

# For each change: the readers that get it, and whether it is the last of its transaction.
changes = st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.booleans()), max_size=30)


class EndsTests(SynchronousTestCase):
    """
    Tests for L{OpenTransactions}.
    """

    @given(changes)
    def test_once(self, changes: list[tuple[set[str], bool]]) -> None:
        """
        A reader that got some changes of a transaction, but not the last, gets its end once.  Other
        readers do not.
        """
        ends: OpenTransactions[str] = OpenTransactions()
        told: set[str] = set()
        for who, last in changes:
            for each in who:
                ends.delivered(each, last)
            told |= who
            if last:
                owed = ends.end()
                self.assertEqual(sorted(owed), sorted(told - who))
                told = set()

    def test_enter(self) -> None:
        """
        A reader that may have got a part of the transaction before gets its end, too.
        """
        ends: OpenTransactions[str] = OpenTransactions()
        ends.enter("a")
        self.assertEqual((list(ends.end()), list(ends.end())), (["a"], []))
