"""
Tests for L{aerostack.workers.deaths}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.deaths import SHOWN, Deaths


class DeathsTests(SynchronousTestCase):
    """
    Tests for L{Deaths}.
    """

    def setUp(self) -> None:
        self.deaths = Deaths()

    def test_none(self) -> None:
        """
        While no worker has died, there is nothing to say.
        """
        self.assertEqual(self.deaths.count("worker-1"), 0)
        self.assertIsNone(self.deaths.describe(1000.0))

    def test_named(self) -> None:
        """
        Each worker is named with its last death, how long ago that was, and why it died.
        """
        self.deaths.note("worker-2", "it has sent no heartbeat", 100.0)
        self.deaths.note("worker-1", "it has ended with status 1", 100.0)
        self.deaths.note("worker-1", "signal 9 has ended it", 219.0)
        self.assertEqual((self.deaths.count("worker-1"), self.deaths.count("worker-2")), (2, 1))
        self.assertEqual(
            self.deaths.describe(220.5),
            "worker-1 died 1 second ago: signal 9 has ended it."
            " worker-2 died 2 minutes ago: it has sent no heartbeat.",
        )

    def test_over(self) -> None:
        """
        After an hour a death is not told any more, but counted.
        """
        self.deaths.note("worker-1", "signal 9 has ended it", 100.0)
        self.assertIn("60 minutes ago", str(self.deaths.describe(100.0 + SHOWN)))
        self.assertIsNone(self.deaths.describe(100.1 + SHOWN))
        self.assertEqual(self.deaths.count("worker-1"), 1)
