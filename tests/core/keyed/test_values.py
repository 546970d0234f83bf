"""
Tests for L{aerostack.core.keyed.values}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.keyed.values import Condition, Value, isLater, stale
from aerostack.core.replay.positions import Position


def valueAt(place: Position, kept: bool = False) -> Value:
    """
    A value at a place.
    """
    return Value("a", place, "e", b"1", None, 0, kept, 1)


class ConditionTests(SynchronousTestCase):
    """
    Conditions.
    """

    def holds(self, pos: Position, place: Position, kept: bool = False) -> bool:
        """
        Whether a value at a place is the one with a position.
        """
        return Condition(str(pos)).holds(valueAt(place, kept))

    def test_new(self) -> None:
        """
        C{ifNew} holds only without a value.
        """
        self.assertTrue(Condition(None).holds(None))
        self.assertFalse(Condition(None).holds(valueAt(Position("e1", 1, 0))))

    def test_place(self) -> None:
        """
        C{ifPos} holds for the value at exactly that place of that log.
        """
        place = Position("e1", 3, 5)
        self.assertTrue(self.holds(place, place))
        self.assertFalse(self.holds(Position("e1", 4, 5), place))
        self.assertFalse(self.holds(Position("e2", 3, 5), place))
        self.assertFalse(self.holds(Position("e1", 3, 5, tag="x"), place))
        self.assertFalse(Condition(str(place)).holds(None))
        self.assertFalse(Condition("no position").holds(valueAt(place)))

    def test_kept(self) -> None:
        """
        A kept value that was read from the database is known by its mark.
        """
        read = Position("e2", None, 5, seen=True)
        self.assertTrue(self.holds(read, Position("e1", None, 5, seen=True), True))
        self.assertTrue(self.holds(read, Position("e1", 3, 5, seen=True), True))
        self.assertFalse(self.holds(read, Position("e1", 3, 5, seen=True), False))
        self.assertFalse(self.holds(read, Position("e1", None, 6, seen=True), True))
        # A position with an offset may be that of a later event that was not kept.
        self.assertFalse(self.holds(Position("e1", 4, 5, seen=True), read, True))

    def test_stale(self) -> None:
        """
        The refusal has what is there now.
        """
        place = Position("e1", 3, 5)
        self.assertEqual(stale("a", valueAt(place)).details, {"pos": str(place), "data": b"1"})
        self.assertEqual(stale("a", None).details, {"pos": None, "data": b"null"})

    def test_later(self) -> None:
        """
        A place is later only in the same log.
        """
        live = Position("e2", 5, 0)
        self.assertTrue(isLater(Position("e2", 6, 0), live))
        self.assertFalse(isLater(Position("e2", 5, 0), live))
        self.assertFalse(isLater(Position("e1", 9, 0), live))
        self.assertFalse(isLater(Position("e2", None, 9), live))
