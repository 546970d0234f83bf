"""
Tests for L{aerostack.streams.keeping}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.publications import EVENT, Message
from aerostack.errors import RealtimeError
from aerostack.streams import keeping
from aerostack.streams.keeping import EndKeeper
from aerostack.testing import MemoryHistory


class EndKeeperTests(SynchronousTestCase):
    """
    Tests for L{EndKeeper}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.history = MemoryHistory()
        self.keeper = EndKeeper(self.clock, self.history, 5.0)
        self.count = 0

    def keep(self, size: int = 1) -> list[Any]:
        """
        Keep an end; give a list that gets the result.
        """
        self.count += 1
        message = Message(f"m{self.count}", "t/p", EVENT, "ai:done", b"x" * size, None, 1)
        found: list[Any] = []
        self.keeper.keep(message).addCallback(found.append)
        return found

    def refuse(self) -> None:
        """
        Let the database refuse what waits for it.
        """
        self.history.refuse()
        self.history.held = []

    def test_kept(self) -> None:
        """
        The result is what the database has kept; no time-out is left.
        """
        (kept,) = self.keep()
        self.assertEqual(kept.message.id, "m1")
        self.assertEqual((self.clock.getDelayedCalls(), self.keeper.unkept), ([], 0))

    def test_later(self) -> None:
        """
        An end that is not kept in time is kept when the database is back, after pauses that grow.
        """
        self.history.held = []
        found = self.keep()
        for pause in (1, 2, 4):
            self.refuse()
            self.clock.advance(pause)
        self.assertEqual((found, self.keeper.unkept), ([None], 1))
        self.history.release()
        self.assertEqual([kept.message.id for kept in self.history.messages], ["m1"])
        self.assertEqual(found, [None])

    def test_bounded(self) -> None:
        """
        Ends that take too much memory are not tried again; watchers need not wait for them.
        """
        self.patch(keeping, "MAX_WAITING", 100)
        self.history.held = []
        first, second = self.keep(60), self.keep(60)
        self.refuse()
        self.assertEqual((first, second), ([None], []))
        self.clock.advance(1)
        self.history.release()
        self.assertEqual([kept.message.id for kept in self.history.messages], ["m2"])
        third = self.keep(60)
        self.assertEqual(third[0].message.id, "m3")

    def test_refused(self) -> None:
        """
        An end that the database does not take is not tried again.
        """
        error = RealtimeError("invalid_arguments", "The database does not take this message.")
        self.patch(self.history, "append", lambda message: fail(error))
        self.assertEqual(self.keep(), [None])
        self.assertEqual((self.clock.getDelayedCalls(), self.keeper.unkept), ([], 1))

    def test_stopped(self) -> None:
        """
        Nothing is tried any more once the daemon stops.
        """
        self.history.held = []
        self.keep()
        self.refuse()
        self.keeper.stop()
        self.clock.advance(60)
        self.assertEqual(self.history.held, [])
