"""
Tests for L{aerostack.workers.attendance}.
"""

from __future__ import annotations

from collections.abc import Collection

from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.attendance import describeAbsent
from aerostack.workers.balance import LATE, Load

NAMES = ("worker-1", "worker-2", "worker-3")


class AbsentTests(SynchronousTestCase):
    """
    Tests for L{describeAbsent}.
    """

    def setUp(self) -> None:
        self.loads = {name: Load(name, 100.0) for name in NAMES}

    def describe(self, now: float, serving: Collection[str] = NAMES) -> str | None:
        """
        Describe the workers.
        """
        return describeAbsent(NAMES, serving, self.loads.values(), now)

    def test_whole(self) -> None:
        """
        While every worker serves clients and is in time, there is nothing to say.
        """
        self.assertIsNone(self.describe(100.0 + LATE))

    def test_missing(self) -> None:
        """
        Workers that do not serve clients are named; they need not send heartbeats.
        """
        del self.loads["worker-1"]
        self.assertEqual(
            self.describe(200.0, ()),
            "worker-1 and worker-2 and worker-3 of 3 workers do not serve clients.",
        )
        self.loads["worker-2"].beat(200.0, 0, 0)
        self.assertEqual(
            self.describe(200.0, ("worker-2",)),
            "worker-1 and worker-3 of 3 workers do not serve clients.",
        )

    def test_late(self) -> None:
        """
        A worker that serves clients and has sent no heartbeat for some seconds is named.
        """
        self.loads["worker-1"].beat(104.0, 0, 0)
        self.assertEqual(
            self.describe(105.0, ("worker-1", "worker-2")),
            "worker-3 of 3 workers does not serve clients."
            " worker-2 has sent no heartbeat for 5 seconds.",
        )
