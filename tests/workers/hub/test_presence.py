"""
Tests for L{aerostack.workers.hub.presence}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.hub.presence import LOST
from aerostack.workers.messages.presence import Remove, Track
from tests.workers.linked import code, outcome
from tests.workers.members import GRACE, MemberMachine

ROOM = "chat/room/p"


class LostTests(SynchronousTestCase):
    """
    Tests for what a worker that is gone leaves behind.
    """

    def setUp(self) -> None:
        self.machine = MemberMachine()
        self.a, self.b = self.machine.rosters

    def fill(self, count: int) -> None:
        """
        Let connections of the first worker be present, each of another user.
        """
        for n in range(count):
            self.a.track(ROOM, f"c{n}", f"u{n}", b"1")
        self.machine.settle()
        self.assertEqual(self.machine.members.count(ROOM), count)

    def test_grace(self) -> None:
        """
        All connections of a worker that dies are lost, and their members leave when the grace is
        over.
        """
        count = 3 * LOST + 7
        self.fill(count)
        self.machine.linked.kill(0)
        self.machine.settle()
        self.machine.clock.advance(GRACE - 0.1)
        self.machine.sweep()
        self.assertEqual(self.machine.members.count(ROOM), count)
        self.machine.clock.advance(0.2)
        self.machine.sweep()
        self.assertEqual(self.machine.members.count(ROOM), 0)

    def test_early(self) -> None:
        """
        A client that comes back before the turn of its lost connection takes over its member, and
        no subscriber hears of it.
        """
        self.fill(3)
        links = [end.channel for end in self.machine.linked.ends]
        self.machine.service.lost(links[0])
        told = len(self.machine.sender.then)
        track = self.machine.service.handlers[Track]
        back = outcome(track(links[1], Track(ROOM, "d", "u2", b"1", None, None)))
        self.machine.settle()
        self.assertEqual(back[0].member.connectionId, "c2")
        self.assertEqual(len(self.machine.sender.then), told)
        self.machine.clock.advance(GRACE + 1)
        self.machine.sweep()
        self.assertEqual([m.connectionId for m in self.machine.members.members(ROOM)], ["c2"])

    def test_removed(self) -> None:
        """
        The presence of a removed user ends at once, also that of a connection whose worker has
        died.
        """
        self.fill(3)
        links = [end.channel for end in self.machine.linked.ends]
        self.machine.service.lost(links[0])
        self.machine.service.handlers[Remove](links[1], Remove("p", "u2"))
        self.assertEqual(self.machine.members.count(ROOM), 2)

    def test_superseded(self) -> None:
        """
        What a superseded connection asked for before its worker knew is refused, and its member
        waits for its client.
        """
        self.fill(1)
        self.machine.service.supersede("c0")
        late = outcome(self.a.track(ROOM, "c0", "u0", b"2"))
        back = outcome(self.b.track(ROOM, "d", "u0", b"1"))
        self.machine.settle()
        self.assertEqual(code(late), "overloaded")
        self.assertEqual(back[0].member.connectionId, "c0")
        self.a.lose("c0")
        self.machine.settle()
        self.assertEqual(self.machine.authority.topicsOf("d"), (ROOM,))
