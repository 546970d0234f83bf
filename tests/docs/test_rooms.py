"""
Tests for L{tests.docs.rooms}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.docs.rooms import PICTURE, draw, levels, readRooms, shorten


class PictureTests(SynchronousTestCase):
    """
    Tests for what the picture of the rooms shows.
    """

    def test_rooms(self) -> None:
        """
        A room imports from others, and never from itself or from the package's own module.
        """
        rooms = readRooms()
        self.assertEqual(rooms["engine"], {"core", "errors", "interfaces"})
        for name, below in rooms.items():
            self.assertEqual(below & {name, ""}, set())

    def test_change(self) -> None:
        """
        An import more, which no other import stands for, changes the picture.
        """
        rooms = readRooms()
        rooms["engine"].add("databases")
        self.assertNotEqual(draw(rooms), PICTURE.read_text("utf-8"))

    def test_shorten(self) -> None:
        """
        An import is left out where another room that is imported reaches the same, directly or
        over others.
        """
        rooms = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}
        self.assertEqual(shorten(rooms), {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()})

    def test_levels(self) -> None:
        """
        A room stands right above the highest room that it imports from.
        """
        rooms = {"a": {"b", "d"}, "b": {"c"}, "c": set(), "d": set()}
        self.assertEqual(levels(rooms), {"a": 2, "b": 1, "c": 0, "d": 0})
