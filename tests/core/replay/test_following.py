"""
Tests for L{aerostack.core.replay.following}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.following import Follower, Need, verify
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication
from aerostack.core.replay.shared import EXPIRED, LOST, SharedEntry


def at(offset: int, tag: str = "", epoch: str = "e", mark: int = 0) -> Position:
    """
    A place in a log.
    """
    return Position(epoch, offset, mark, tag=tag or (f"t{offset}" if offset else ""))


def entryAt(offset: int, tag: str = "", before: str = "", epoch: str = "e") -> SharedEntry:
    """
    An entry of a log, by default right behind the one with the number before.
    """
    place = at(offset, tag, epoch)
    return SharedEntry(
        place, before or at(offset - 1).tag, Publication("chat/a/p", "event", "e", b"1", None, 1)
    )


class FollowerTests(SynchronousTestCase):
    """
    Tests for L{Follower}.
    """

    def test_inOrder(self) -> None:
        """
        Entries that come in order are delivered, from the first one of a new log.
        """
        follower = Follower(at(0))
        self.assertEqual([follower.take(entryAt(n)) for n in (1, 2, 3)], [True] * 3)
        self.assertEqual((follower.head, follower.need), (at(3), Need.NOTHING))

    def test_twice(self) -> None:
        """
        An entry that comes a second time is not delivered again.
        """
        follower = Follower(at(3))
        self.assertTrue(follower.take(entryAt(4)))
        self.assertEqual([follower.take(entryAt(n)) for n in (4, 3)], [False, False])
        self.assertEqual((follower.head, follower.need), (at(4), Need.NOTHING))

    def test_hole(self) -> None:
        """
        After a hole nothing is delivered until the entries in it and those behind it were read.
        """
        follower = Follower(at(3))
        self.assertFalse(follower.take(entryAt(5)))
        self.assertIs(follower.need, Need.READ)
        self.assertTrue(follower.take(entryAt(4)))
        self.assertIs(follower.need, Need.READ)
        self.assertTrue(follower.take(entryAt(5)))
        self.assertIs(follower.need, Need.NOTHING)

    def test_otherPredecessor(self) -> None:
        """
        An entry with the next number that names another predecessor is not delivered: the server
        has come back with an older log, and has gone on from there.
        """
        follower = Follower(at(3))
        self.assertFalse(follower.take(entryAt(4, "n4", "n3")))
        self.assertIs(follower.need, Need.VERIFY)
        self.assertFalse(follower.take(entryAt(4)), "nothing is taken before the answer")

    def test_otherHead(self) -> None:
        """
        A head with another epoch, another tag or a smaller number contradicts the follower's.
        """
        for head in (at(3, epoch="f"), at(3, "n3"), at(2)):
            follower = Follower(at(3))
            follower.compare(head)
            self.assertIs(follower.need, Need.VERIFY, head)

    def test_laterHead(self) -> None:
        """
        A head with a larger number shows that entries were missed, also where none follows.
        """
        follower = Follower(at(3))
        follower.compare(at(3))
        self.assertIs(follower.need, Need.NOTHING)
        follower.compare(at(4))
        self.assertIs(follower.need, Need.READ)

    def test_unreadable(self) -> None:
        """
        If what is missing cannot be read, the server has to be asked for the head.
        """
        for read in ([], [entryAt(6)]):
            follower = Follower(at(3))
            follower.compare(at(6))
            for entry in read:
                follower.take(entry)
            follower.ended(read)
            self.assertIs(follower.need, Need.VERIFY)

    def test_verified(self) -> None:
        """
        Where the log goes on from the head, what was missed is read; where it does not, the
        follower goes on from the log's own head.
        """
        follower = Follower(at(3))
        follower.compare(at(2, epoch="f"))
        follower.verified(at(5), None)
        self.assertEqual((follower.head, follower.need), (at(3), Need.READ))
        follower.verified(at(5, epoch="f"), LOST)
        self.assertEqual((follower.head, follower.need), (at(5, epoch="f"), Need.NOTHING))
        self.assertTrue(follower.take(entryAt(6, epoch="f")))

    @given(st.data())
    def test_anyOrder(self, data: st.DataObject) -> None:
        """
        Whatever is late, lost or doubled, and however often the server comes back older, each entry
        is delivered after its own predecessor, or after a break that the follower got; and in the
        end the follower has the head.
        """
        server = [entryAt(1, "a1", "")]
        made = 1
        flying: list[SharedEntry] = []
        follower = Follower(at(0))
        path = [""]
        draw = data.draw

        def settle() -> None:
            while follower.need is not Need.NOTHING:
                if follower.need is Need.VERIFY:
                    head, known = server[-1].position, follower.head
                    after = next(
                        (
                            entry.before
                            for entry in server
                            if entry.position.offset == (known.offset or 0) + 1
                        ),
                        None,
                    )
                    reason = verify(known, head, after)
                    follower.verified(head, reason)
                    if reason is not None:
                        path.append(head.tag)
                    continue
                start = follower.head.offset or 0
                page = [e for e in server if start < (e.position.offset or 0) <= start + 3]
                take(*page)
                follower.ended(page)

        def take(*entries: SharedEntry) -> None:
            for entry in entries:
                if follower.take(entry):
                    self.assertEqual(entry.before, path[-1])
                    path.append(entry.position.tag)

        for step in draw(st.lists(st.integers(0, 5), max_size=40)):
            if step <= 1:
                made += 1
                last = server[-1].position
                entry = entryAt((last.offset or 0) + 1, f"a{made}", last.tag)
                server.append(entry)
                flying.append(entry)
            elif step == 2 and flying:
                take(flying[draw(st.integers(0, len(flying) - 1))])
            elif step == 3 and flying:
                flying.pop(draw(st.integers(0, len(flying) - 1)))
            elif step == 4:
                settle()
            else:
                del server[draw(st.integers(1, len(server))) :]
        follower.compare(server[-1].position)
        settle()
        self.assertEqual(follower.head, server[-1].position)


class VerifyTests(SynchronousTestCase):
    """
    Tests for L{verify}.
    """

    def test_goesOn(self) -> None:
        """
        A log goes on from its head, and from a place that the entry behind it names.
        """
        self.assertIsNone(verify(at(3), at(3), None))
        self.assertIsNone(verify(at(3), at(9), "t3"))

    def test_lost(self) -> None:
        """
        A log with another epoch, an older head, another tag or an older mark is not the one that a
        node knows.
        """
        self.assertEqual(verify(at(3), at(3, epoch="f"), None), LOST)
        self.assertEqual(verify(at(3), at(2), None), LOST)
        self.assertEqual(verify(at(3), at(3, "n3"), None), LOST)
        self.assertEqual(verify(at(3), at(9), "n3"), LOST)
        self.assertEqual(verify(at(3, mark=7), at(9, mark=6), "t3"), LOST)

    def test_expired(self) -> None:
        """
        A log that has lost the entry behind a place cannot say whether it goes on from there.
        """
        self.assertEqual(verify(at(3), at(9), None), EXPIRED)
