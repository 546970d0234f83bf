"""
Tests of L{aerostack.databases.identifiers}.
"""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.identifiers import quoteIdentifier

NAMES = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=30
)


class QuoteTests(SynchronousTestCase):
    """
    Names in SQL text.
    """

    def test_quoted(self) -> None:
        """
        A name is put in double quotes, and its own quotes are doubled.
        """
        for name, expected in (
            ("orders", '"orders"'),
            ("select", '"select"'),
            ('a"b', '"a""b"'),
            ('"', '""""'),
            ("a'b; --", '"a\'b; --"'),
        ):
            self.assertEqual(quoteIdentifier(name), expected)

    def test_refused(self) -> None:
        """
        An empty name and a name with a NUL are refused.
        """
        for name in ("", "\x00", "a\x00b"):
            error = self.assertRaises(ValueError, quoteIdentifier, name)
            self.assertIn(repr(name), str(error))

    @given(NAMES)
    def test_meansItself(self, name: str) -> None:
        """
        To the database a quoted name means that name and nothing else.
        """
        connection = sqlite3.connect(":memory:")
        try:
            cursor = connection.execute(f"SELECT 1 AS {quoteIdentifier(name)}")
            self.assertEqual(cursor.description[0][0], name)
        finally:
            connection.close()
