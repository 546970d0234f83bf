"""
Tests for L{aerostack.engine.valkey.memberchanges}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import Member
from aerostack.engine.valkey.entries import MalformedEntry
from aerostack.engine.valkey.memberchanges import (
    SetChange,
    SetVersion,
    encodeMember,
    ownerOf,
    readChange,
    readMember,
    readVersion,
)


class MemberChangeTests(SynchronousTestCase):
    """
    Tests for reading what the scripts write.
    """

    def test_change(self) -> None:
        """
        A change is read as it was written, whatever bytes the state has.
        """
        state = b'"\n\x00 \xc3\xa9"'
        body = encodeMember(None, "x", state)
        self.assertEqual(
            readChange(b"e 7 + c1 5\n" + body),
            SetChange(SetVersion("e", 7), "c1", Member("c1", None, state, 5, "x")),
        )
        self.assertEqual(readChange(b"e 8 - c1 0\n"), SetChange(SetVersion("e", 8), "c1", None))

    def test_member(self) -> None:
        """
        A stored member has its number in the order of joining.
        """
        stored = b"n c9 3 5 0 0 - p 2\n" + encodeMember("ann", None, b"{}")
        self.assertEqual(readMember(b"c1", stored), (3, Member("c1", "ann", b"{}", 5)))

    def test_version(self) -> None:
        """
        A set that is not there has version 0.
        """
        self.assertEqual(readVersion(b""), SetVersion("", 0))
        self.assertEqual(readVersion(b"e 7"), SetVersion("e", 7))

    def test_malformed(self) -> None:
        """
        What no node wrote is refused.
        """
        for message in (b"", b"e", b"e x + c1 5\n", b"e 7 + c1 5\n\xc1", b"\xff 7 - c1 0\n"):
            self.assertRaises(MalformedEntry, readChange, message)
        self.assertRaises(MalformedEntry, readVersion, b"e")
        self.assertRaises(MalformedEntry, readMember, b"c1", b"n c9 3 5 0 0 - p 2\n")

    def test_owner(self) -> None:
        """
        Owners differ by project, user and client; a client with a name has no other owner.
        """
        owners = {
            ownerOf(*each)
            for each in (("p", "a", None), ("q", "a", None), ("p", "b", None), ("p", None, "a"))
        }
        self.assertEqual(len(owners), 4)
        self.assertEqual(ownerOf("p", "a", "x"), ownerOf("p", "a", None))
        self.assertEqual(ownerOf("p", None, None), b"-")
