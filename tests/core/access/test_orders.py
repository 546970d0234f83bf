"""
Tests for L{aerostack.core.access.orders}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.orders import decodeOrder, encodeCounts, encodeOrder, namedCounts
from aerostack.core.access.removals import Disconnect, Revocation


class OrderTests(SynchronousTestCase):
    """
    Tests for orders as bytes.
    """

    def test_orders(self) -> None:
        """An order is read as it was written; what is no order is refused."""
        for order in (
            Disconnect("p", "\xe9\u0000", 4100, "r"),
            Revocation("p", "ann", None, 5, 10**15, ""),
            Revocation("p", "ann", "jti", 5, 10**15, "stolen"),
        ):
            self.assertEqual(decodeOrder(encodeOrder(order)), order)
        for data in (b"", b"{}", b"[]", b'{"disconnect": 5}'):
            self.assertRaises(ValueError, decodeOrder, data)

    def test_counts(self) -> None:
        """Processes are named behind their node; other bytes confirm nothing."""
        found = {
            "a": encodeCounts({"": 3}),
            "b": encodeCounts({"worker-1": 1, "worker-2": None}),
            "c": None,
            "d": b"{",
        }
        self.assertEqual(
            namedCounts(found),
            {"a": 3, "b/worker-1": 1, "b/worker-2": None, "c": None, "d": None},
        )
