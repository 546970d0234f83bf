"""
Tests for the members of topics that a worker has from the hub, L{RosterReplica}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import Member
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.hub.encoding import memberData
from aerostack.protocol.codec import encodeValue
from aerostack.workers.worker.presence import RosterReplica

ROOM = "chat/room/p"


def publication(event: str, member: Member) -> Publication:
    """
    What the hub publishes of a member.
    """
    data = encodeValue(memberData(member))
    return Publication(ROOM, PRESENCE, f"presence:{event}", data, member.userId, 0)


class ReplicaTests(SynchronousTestCase):
    """
    Tests for L{RosterReplica}.
    """

    def setUp(self) -> None:
        self.replica = RosterReplica()
        self.ann = Member("c1", "ann", b'{"a": "\xc3\xa9"}', 5)

    def attach(self) -> None:
        """
        Attach the topic, which has no member.
        """
        self.replica.attaching(ROOM)
        self.replica.attached(ROOM)

    def test_changes(self) -> None:
        """
        Members join, change their state byte by byte, and leave.
        """
        replica = self.replica
        self.attach()
        self.assertIsNone(replica.roster(ROOM))
        replica.heard(publication("join", self.ann))
        self.assertEqual(list(replica.members(ROOM)), [self.ann])
        self.assertEqual(list(replica.topics()), [ROOM])
        self.assertEqual(replica.count(ROOM), 1)
        changed = Member("c1", "ann", b'"\\u0000"', 5)
        replica.heard(publication("update", changed))
        self.assertEqual(list(replica.members(ROOM)), [changed])
        replica.heard(publication("leave", changed))
        self.assertEqual(list(replica.topics()), [])
        self.assertEqual(replica.count(ROOM), 0)
        self.assertIsNone(replica.roster(ROOM))

    def test_elsewhere(self) -> None:
        """
        The members of a topic that is not attached are not kept.
        """
        self.replica.heard(publication("join", self.ann))
        self.attach()
        self.replica.heard(publication("join", self.ann))
        self.replica.detached(ROOM)
        self.assertEqual(self.replica.count(ROOM), 0)
        self.assertEqual(list(self.replica.topics()), [])

    def test_unknown(self) -> None:
        """
        That a member leaves which is not here changes nothing.
        """
        self.attach()
        self.replica.heard(publication("leave", self.ann))
        self.assertEqual(self.replica.count(ROOM), 0)

    def test_awaited(self) -> None:
        """
        A call that waits for a member goes on when the member is here, or does not come any more.
        """
        self.assertIsNone(self.replica.whenHere(ROOM, "c1"))
        self.attach()
        waited, other = (self.replica.whenHere(ROOM, key) for key in ("c1", "c2"))
        assert waited is not None and other is not None
        self.assertNoResult(waited)
        self.replica.heard(publication("join", self.ann))
        self.successResultOf(waited)
        self.assertIsNone(self.replica.whenHere(ROOM, "c1"))
        self.assertNoResult(other)
        self.replica.detached(ROOM)
        self.successResultOf(other)
