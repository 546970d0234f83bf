"""
Tests for L{aerostack.recovery.ahead}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.recovery.ahead import AHEAD
from aerostack.testing import World

TOPIC = "chat/a"
CANONICAL = "chat/a/p"


def place(offset: int) -> Position:
    """
    A place in the log that the nodes share.
    """
    return Position("e", offset, 100, tag=f"t{offset}")


class AheadTests(SynchronousTestCase):
    """
    Tests for a client that has seen the third entry, at a node that has got two.
    """

    def setUp(self) -> None:
        self.world = World()
        sequencer = self.world.hub.sequencer
        log = sequencer.logs.share(CANONICAL, place(2), self.world.clock.seconds())
        log.fill((), (), 0.0)
        self.client = self.world.connect()
        self.client.send(type="subscribe", topic=TOPIC, since=str(place(3)))

    def come(self, offset: int) -> None:
        """
        Let an entry come.
        """
        publication = Publication(CANONICAL, EVENT, "e", b"%d" % offset, None, 0)
        entry = SharedEntry(place(offset), place(offset - 1).tag, publication)
        self.world.hub.delivery.deliverEntry(entry)
        self.world.turn()

    def test_comes(self) -> None:
        """
        The client waits for the entry, and gets what follows it, once.
        """
        self.assertEqual(self.client.take(), [])
        self.come(3)
        self.come(4)
        answer, *frames = self.client.take()
        self.assertTrue(answer["recovered"])
        self.assertEqual([frame["data"] for frame in frames], [4])
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_never(self) -> None:
        """
        If the entry does not come, the server has lost it, and the client learns that.
        """
        self.world.advance(AHEAD + 1)
        answer: Any = self.client.take()[0]
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "lost"}))
        self.come(3)
        self.assertEqual([frame["data"] for frame in self.client.take()], [3])

    def test_gone(self) -> None:
        """
        A client that does not wait leaves nothing behind.
        """
        self.client.close()
        self.world.advance(AHEAD + 1)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
