"""
Tests for L{aerostack.core.rows.transactions}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.transactions import OpenTransactions

# Of each change who is told it, and whether it is its transaction's last.
changes = st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.booleans()), max_size=30)


class EndsTests(SynchronousTestCase):
    """
    Tests for L{OpenTransactions}.
    """

    @given(changes)
    def test_once(self, changes: list[tuple[set[str], bool]]) -> None:
        """
        Of each transaction those hear the end, once, who were told some of it but not its
        last change, and nobody else.
        """
        ends: OpenTransactions[str] = OpenTransactions()
        told: set[str] = set()
        for who, last in changes:
            for each in who:
                ends.told(each, last)
            told |= who
            if last:
                owed = ends.end()
                self.assertEqual(sorted(owed), sorted(told - who))
                told = set()

    def test_enter(self) -> None:
        """
        Who may have been told a part otherwise hears the end as well.
        """
        ends: OpenTransactions[str] = OpenTransactions()
        ends.enter("a")
        self.assertEqual((list(ends.end()), list(ends.end())), (["a"], []))
