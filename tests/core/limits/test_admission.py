"""
Tests for L{aerostack.core.limits.admission}.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.admission import LATE, SOON, Admission
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig

BEGIN = 1_000_000.0


def admission(random: float = 0.5, **limits: Any) -> Admission:
    """
    Make an admission whose random numbers are all the same.
    """
    return Admission(LimitsConfig(**limits), lambda: random)


class RateTests(SynchronousTestCase):
    """
    Tests for the rate of L{Admission}.
    """

    def wait(self, gate: Admission, now: float) -> int:
        """
        Let a client come.  Give the time that it has to wait, in milliseconds; 0 if it is admitted.
        """
        try:
            gate.check(now)
        except RealtimeError as error:
            self.assertEqual(error.code, "overloaded")
            assert error.retryAfter is not None
            self.assertGreater(error.retryAfter, 0)
            return error.retryAfter
        return 0

    def test_default(self) -> None:
        """
        Without a rate all clients are admitted.
        """
        gate = admission()
        self.assertEqual({self.wait(gate, BEGIN) for _ in range(100_000)}, {0})

    def test_turns(self) -> None:
        """
        Above the rate each client gets a time of its own to come back, at intervals of the rate.
        """
        gate = admission(connectionsPerSecond=10.0, connectionsBurst=5)
        waits = [self.wait(gate, BEGIN) for _ in range(25)]
        self.assertEqual(waits[:5], [0] * 5)
        self.assertEqual(waits[5], SOON * 1000)
        for earlier, later in pairwise(waits[5:]):
            self.assertIn(later - earlier, range(99, 102))

    def test_quiet(self) -> None:
        """
        When the refused clients have had their turn, the next refused client may come back soon.
        """
        gate = admission(connectionsPerSecond=10.0, connectionsBurst=1)
        waits = [self.wait(gate, BEGIN) for _ in range(50)]
        self.assertGreater(waits[-1], 5000)
        self.assertEqual(self.wait(gate, BEGIN + 60), 0)
        self.assertEqual(self.wait(gate, BEGIN + 60), SOON * 1000)

    def test_clockBack(self) -> None:
        """
        A clock that is set back causes no long waits.
        """
        gate = admission(connectionsPerSecond=10.0, connectionsBurst=1)
        for _ in range(50):
            self.wait(gate, BEGIN)
        waits = [self.wait(gate, BEGIN - 3600) for _ in range(50)]
        self.assertLessEqual(max(waits), LATE * 1000)
        now = BEGIN - 3600 + 2 * LATE
        self.assertEqual(self.wait(gate, now), 0)
        self.assertEqual(self.wait(gate, now), SOON * 1000)

    @given(
        st.floats(0.1, 10_000),
        st.integers(1, 100),
        st.lists(st.tuples(st.floats(-1, 5), st.floats(0, 1, exclude_max=True)), max_size=200),
    )
    def test_bound(self, rate: float, burst: int, knocks: list[tuple[float, float]]) -> None:
        """
        Never more clients are admitted than the burst and the rate allow, and each refused client
        gets a wait within bounds.
        """
        dice = iter([random for _, random in knocks])
        limits = LimitsConfig(connectionsPerSecond=rate, connectionsBurst=burst)
        gate = Admission(limits, lambda: next(dice))
        now, passed, forward = BEGIN, 0, 0.0
        for pause, _ in knocks:
            now += pause
            forward += max(0.0, pause)
            wait = self.wait(gate, now)
            if wait:
                self.assertTrue(SOON * 1000 - 1 <= wait <= LATE * 1000 + 1, wait)
            else:
                passed += 1
            self.assertLessEqual(passed, burst + rate * forward + 1e-6)

    def test_load(self) -> None:
        """
        A new rate holds at once.
        """
        gate = admission(connectionsPerSecond=1.0, connectionsBurst=1)
        self.assertEqual(self.wait(gate, BEGIN), 0)
        self.assertGreater(self.wait(gate, BEGIN), 0)
        gate.reload(LimitsConfig())
        self.assertEqual({self.wait(gate, BEGIN) for _ in range(1000)}, {0})
