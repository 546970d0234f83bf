"""
Tests for L{aerostack.engine.valkey.memberset}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import Member
from aerostack.engine.valkey.memberchanges import SetChange, SetVersion
from aerostack.engine.valkey.memberset import MemberSet


def member(name: str, state: bytes = b"{}") -> Member:
    """
    A member.
    """
    return Member(name, "ann", state, 1)


class MemberSetTests(SynchronousTestCase):
    """
    Tests for L{MemberSet}.
    """

    def setUp(self) -> None:
        self.set = MemberSet()
        self.set.version, self.set.isLive = SetVersion("e", 5), True

    def test_told(self) -> None:
        """
        Subscribers get what is new to them, however often a change comes.
        """
        version = SetVersion("e", 6)
        for given, event in (
            (member("a"), "presence:join"),
            (member("a"), None),
            (member("a", b"1"), "presence:update"),
        ):
            told = self.set.apply(SetChange(version, "a", given))
            self.assertEqual(told, None if event is None else (event, given))
        left = self.set.apply(SetChange(version, "a", None))
        self.assertEqual(left, ("presence:leave", member("a", b"1")))
        self.assertIsNone(self.set.apply(SetChange(version, "a", None)))

    def test_own(self) -> None:
        """
        The member of one set is in no other one.
        """
        other = MemberSet()
        self.set.put(member("a"))
        self.assertEqual((list(self.set.roster), list(other.roster)), ([member("a")], []))

    def test_advance(self) -> None:
        """
        A version follows the one before it; a jump does not follow, and is not taken.
        """
        self.assertTrue(self.set.advance(SetVersion("e", 6)))
        self.assertFalse(self.set.advance(SetVersion("e", 8)))
        self.assertEqual(self.set.version, SetVersion("e", 6))
        self.assertEqual([self.set.isOld(SetVersion("e", n)) for n in (6, 7)], [True, False])

    def test_madeAnew(self) -> None:
        """
        A set without members may be made anew; one with members has lost them.
        """
        self.assertFalse(self.set.disagrees(SetVersion("f", 1)))
        self.assertTrue(self.set.advance(SetVersion("f", 1)))
        self.set.put(member("a"))
        self.assertTrue(self.set.disagrees(SetVersion("g", 1)))
        self.assertFalse(self.set.advance(SetVersion("g", 1)))

    def test_madeAnewUnseen(self) -> None:
        """
        A set that was made anew and has changed more than once is read, without suspicion.
        """
        self.assertFalse(self.set.advance(SetVersion("f", 3)))
        self.set.put(member("a"))
        self.assertFalse(self.set.disagrees(SetVersion("f", 3)))

    def test_older(self) -> None:
        """
        A version before that of the node comes from older data.
        """
        self.assertTrue(self.set.disagrees(SetVersion("e", 4)))
        self.assertFalse(self.set.disagrees(SetVersion("e", 5)))

    def test_notLive(self) -> None:
        """
        Before the set was read over a connection, no version is old and none follows.
        """
        self.set.isLive = False
        self.assertFalse(self.set.isOld(SetVersion("e", 5)))
        self.assertFalse(self.set.advance(SetVersion("e", 6)))

    def test_unseen(self) -> None:
        """
        Members that neither were read nor came meanwhile are unseen.
        """
        for name in "abcd":
            self.set.put(member(name))
        self.set.seen = set()
        self.set.put(member("a"))
        self.set.put(member("b", b"1"))
        self.set.drop("b")
        self.set.put(member("e"))
        self.assertEqual(self.set.unseen(), ["c", "d"])
