"""
Tests for L{aerostack.core.limits.deadlines}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.deadlines import Deadlines

START = 1_000_000_000.0

keys = st.integers(0, 5)
spans = st.one_of(st.floats(0, 5), st.integers(0, 4), st.sampled_from([60.0, 86_400.0]))


class DeadlinesMachine(RuleBasedStateMachine):
    """
    Compares deadlines that are swept at any time with the time that was set for each key.
    """

    def __init__(self) -> None:
        super().__init__()
        self.deadlines = Deadlines()
        self.now = START
        # Each key's due time, and when it was set.
        self.model: dict[int, tuple[float, float]] = {}

    @rule(key=keys, span=st.one_of(spans, st.floats(-5, 0)))
    def set(self, key: int, span: float) -> None:
        self.deadlines.set(key, self.now + span)
        self.model[key] = self.now + span, self.now

    @rule(key=keys)
    def clear(self, key: int) -> None:
        self.deadlines.clear(key)
        self.model.pop(key, None)

    @rule(span=spans)
    def sweep(self, span: float) -> None:
        self.now += span
        last = float("-inf")
        for key in self.deadlines.expire(self.now):
            due, setAt = self.model.pop(key)
            assert due <= self.now
            # Within one second the order is free, and what was due before it was set
            # comes in the second in which it can.
            assert last <= max(due, setAt) + 1
            last = max(due, last)
        for due, setAt in self.model.values():
            assert max(due, setAt) + 1 > self.now

    @invariant()
    def agree(self) -> None:
        assert len(self.deadlines) == len(self.model)


class DeadlinesTests(SynchronousTestCase):
    """
    Tests for L{Deadlines}.
    """

    def test_model(self) -> None:
        """
        A key comes between its due time and a second later.  A key that was cleared or put off does
        not come.  Leaps of the clock change nothing of this.
        """
        run_state_machine_as_test(DeadlinesMachine)

    def test_putOff(self) -> None:
        """
        A key has one due time: the last that was set.
        """
        deadlines = Deadlines()
        deadlines.set("ann", START + 1)
        deadlines.set("ann", START + 5)
        self.assertEqual(deadlines.expire(START + 4), [])
        self.assertEqual(deadlines.expire(START + 5), ["ann"])
        self.assertEqual(deadlines.expire(START + 60), [])

    def test_order(self) -> None:
        """
        Keys come in the order of their due times, also after a leap of the clock.
        """
        for leap in (START + 9, START + 1e6):
            deadlines = Deadlines()
            deadlines.expire(START)
            for second in (7, 3, 5):
                deadlines.set(second, START + second)
            self.assertEqual(deadlines.expire(leap), [3, 5, 7])

    def test_past(self) -> None:
        """
        A key that is set to a time in the past comes with the next second's sweep.
        """
        deadlines = Deadlines()
        deadlines.expire(START)
        deadlines.set("late", START - 100)
        self.assertEqual(deadlines.expire(START + 1), ["late"])

    def test_setWhileExpiring(self) -> None:
        """
        A key that is due and is set to now again comes a second later, not at once.
        """
        deadlines = Deadlines()
        deadlines.set("ann", START)
        self.assertEqual(deadlines.expire(START), ["ann"])
        deadlines.set("ann", START)
        self.assertEqual(deadlines.expire(START), [])
        self.assertEqual(deadlines.expire(START + 1), ["ann"])

    def test_clearUnknown(self) -> None:
        """
        To clear an unknown key is no error, and clears no other key.
        """
        deadlines = Deadlines()
        deadlines.set("ann", START)
        deadlines.clear("nobody")
        self.assertEqual(deadlines.expire(START), ["ann"])

    def test_clockBack(self) -> None:
        """
        If the clock is set back, no deadline comes early, and none is lost.
        """
        deadlines = Deadlines()
        deadlines.expire(START)
        deadlines.set("ann", START + 2)
        self.assertEqual(deadlines.expire(START - 100), [])
        self.assertEqual(deadlines.expire(START + 1), [])
        self.assertEqual(deadlines.expire(START + 2), ["ann"])

    def test_setAfterClockBack(self) -> None:
        """
        A key that is set after the clock was set back is due by the new time.
        """
        deadlines = Deadlines()
        deadlines.expire(START)
        deadlines.expire(START - 3600)
        deadlines.set("ann", START - 3598)
        self.assertEqual(deadlines.expire(START - 3599), [])
        self.assertEqual(deadlines.expire(START - 3598), ["ann"])

    def test_nothingStays(self) -> None:
        """
        A cleared key leaves nothing behind, however often it was put off.
        """
        deadlines = Deadlines()
        for second in range(10_000):
            deadlines.set("ann", START + second)
        deadlines.clear("ann")
        self.assertEqual(vars(deadlines), vars(Deadlines()))
