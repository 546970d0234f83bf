"""
Tests for L{aerostack.client.names}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.names import keyOf, pathOf


class PathTests(SynchronousTestCase):
    """
    Tests for L{pathOf}.
    """

    def test_forms(self) -> None:
        """
        Every form of a topic has one path.
        """
        for topic, path in (
            ("orders", "table/orders"),
            ("table/orders", "table/orders"),
            ("table/orders/p", "table/orders"),
            ("chat/general", "chat/general"),
            ("chat/general/p", "chat/general"),
            ("chat/p", "chat"),
            ("p", "table/p"),
        ):
            self.assertEqual(pathOf(topic, "p"), path)
        self.assertEqual(pathOf("orders", None), "table/orders")
        self.assertEqual(pathOf("chat/general/p", None), "chat/general/p")


class KeyTests(SynchronousTestCase):
    """
    Tests for L{keyOf}.
    """

    def test_views(self) -> None:
        """
        Each view of a table has a key of its own.
        """
        keys = {keyOf("table/a", None), keyOf("table/a", "b"), keyOf("table/a/b", "")}
        self.assertEqual(len(keys), 3)
        self.assertEqual(keyOf("table/a", ""), keyOf("table/a", None))
