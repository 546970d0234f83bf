"""
Tests of how many bytes the members of L{aerostack.core.presence} may take.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import COST, Presence, Room
from aerostack.errors import RealtimeError

GRACE = 10.0


class RoomTests(SynchronousTestCase):
    """
    Tests of how much members may take.
    """

    def setUp(self) -> None:
        self.presence = Presence(GRACE, Room(10 * COST, 15 * COST))

    def track(
        self, topic: str, connectionId: str, size: int = 0, most: int | None = None
    ) -> str | None:
        """
        Track.

        @return: The code of the error, if there is one.
        """
        try:
            self.presence.track(topic, connectionId, connectionId, b"x" * size, 0, None, most)
        except RealtimeError as error:
            return error.code
        return None

    def test_connection(self) -> None:
        """
        The states of one connection are bounded together, on whatever topics; another
        connection has its own room, and one that says less or leaves has it back.
        """
        for number in range(4):
            self.assertIsNone(self.track(f"chat/{number}/p", "c1", 25, 100))
        self.assertEqual(self.track("chat/4/p", "c1", 1, 100), "too_large")
        self.assertEqual(self.track("chat/1/p", "c1", 26, 100), "too_large")
        self.assertIsNone(self.track("chat/1/p", "c1", 20, 100))
        self.assertIsNone(self.track("chat/4/p", "c1", 5, 100))
        self.assertIsNone(self.track("chat/4/p", "c2", 100, 100))
        self.presence.untrack("chat/0/p", "c1")
        self.assertIsNone(self.track("chat/5/p", "c1", 25, 100))

    def test_project(self) -> None:
        """
        The members of a project are bounded together, also those that wait for their
        connection to come back; it can take them over all the same.
        """
        for number in range(10):
            self.assertIsNone(self.track("chat/a/p", f"c{number}"))
        self.presence.lose("c0", 0.0)
        self.assertEqual(self.track("chat/a/p", "late"), "overloaded")
        back = self.presence.track("chat/a/p", "c10", "c0", b"", 0)
        self.assertFalse(back.joined)
        self.assertIsNone(self.track("chat/a/q", "c0"))
        self.presence.leave("c10")
        self.assertIsNone(self.track("chat/a/p", "late"))

    def test_daemon(self) -> None:
        """
        All members are bounded together.
        """
        found = [self.track(f"chat/a/{n % 2}", f"c{n}") for n in range(16)]
        self.assertEqual(found, [None] * 15 + ["overloaded"])
        self.assertEqual(len(self.presence.expire(0.0)), 0)
        for number in range(15):
            self.presence.leave(f"c{number}")
        self.assertEqual(vars(self.presence), vars(Presence(GRACE, Room(10 * COST, 15 * COST))))
