"""
Tests for L{aerostack.core.diagnosis.clientcounts}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.clientcounts import CLIENT, DAEMON, ClientCounts


class ClientCountsTests(SynchronousTestCase):
    """
    Tests for L{ClientCounts}.
    """

    def test_closes(self) -> None:
        """
        Closes are counted by code and side; the codes that clients make up are one.
        """
        counts = ClientCounts()
        for code, by in ((4008, DAEMON), (1000, CLIENT), (None, CLIENT), (4242, CLIENT)):
            counts.closed(code, by)
        counts.closed(3999, CLIENT)
        self.assertEqual(
            dict(counts.closes),
            {
                ("4008", DAEMON): 1,
                ("1000", CLIENT): 1,
                ("1006", CLIENT): 1,
                ("other", CLIENT): 2,
            },
        )
