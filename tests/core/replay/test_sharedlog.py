"""
Tests for L{aerostack.core.replay.sharedlog}.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.gaps import EXPIRED, LOST, Gap
from aerostack.core.replay.log import Depth, Plan
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.replay.sharedlog import SharedLog

ROOMY = Depth(1000, 1_000_000, 1000.0)
MARK = 100


def place(offset: int, mark: int = MARK) -> Position:
    """A place in the log."""
    return Position("e", offset, mark, seen=mark > MARK, tag=f"t{offset}" if offset else "")


def entry(offset: int, mark: int = MARK, kept: bool = False) -> SharedEntry:
    """An entry of the log."""
    data = b"%d" % offset
    publication = Publication("t/p", EVENT, "e", data, None, 0, mark if kept else None)
    return SharedEntry(place(offset, mark), place(offset - 1).tag, publication)


class SharedLogTests(SynchronousTestCase):
    """
    Tests for resumes in a log that follows a shared one.
    """

    def begin(self, head: Position, depth: Depth = ROOMY) -> SharedLog:
        """Make a log that begins at a head."""
        return SharedLog(head, depth)

    def add(self, log: SharedLog, *entries: SharedEntry) -> None:
        """Add entries, each with its data as the frame."""
        for each in entries:
            publication = each.publication
            log.append(publication.data, publication.mark, None, 0.0, each.position.tag)
            self.assertEqual(log.position, each.position)

    def fill(self, log: SharedLog, *entries: SharedEntry) -> None:
        """Fill a log."""
        log.fill(entries, [each.publication.data for each in entries], 0.0)
        self.assertTrue(log.isFilled)

    def missed(self, log: SharedLog, position: Position) -> list[bytes]:
        """What a client gets that comes back, all of it from memory."""
        plan = log.resume(position, 0.0)
        assert isinstance(plan, Plan), plan
        self.assertEqual((plan.after, plan.keptOnly), (None, False))
        return [each.frame for each in plan.entries]

    def test_ahead(self) -> None:
        """
        One who has seen an entry at another node is told when it comes here, once, and not after
        giving up.
        """
        log = self.begin(place(4))
        self.assertEqual([log.isAhead(place(offset)) for offset in (4, 5)], [False, True])
        self.assertFalse(log.isAhead(replace(place(5), epoch="other")))
        called: list[int] = []

        def call(offset: int) -> Callable[[], object]:
            return lambda: called.append(offset)

        never = call(0)
        for offset in (5, 6, 7):
            log.wait(offset, call(offset))
        log.wait(5, never)
        log.giveUp(never)
        log.giveUp(never)
        for offset, sum_ in ((5, [5]), (6, [5, 6]), (7, [5, 6, 7]), (8, [5, 6, 7])):
            self.add(log, entry(offset))
            self.assertEqual(called, sum_)

    def test_filled(self) -> None:
        """A log that is filled has what came before it began, and what came since."""
        log = self.begin(place(3))
        self.add(log, entry(4))
        self.fill(log, entry(1), entry(2), entry(3))
        for offset in range(5):
            expected = [b"%d" % each for each in range(offset + 1, 5)]
            self.assertEqual(self.missed(log, place(offset)), expected)

    def test_tags(self) -> None:
        """A position with another tag than the entry at its place is lost."""
        log = self.begin(place(2), Depth(2, 1000, 10.0))
        self.add(log, entry(3), entry(4), entry(5))
        self.fill(log)
        for offset in (3, 4, 5):
            other = replace(place(offset), tag="other", mark=MARK + 1)
            self.assertIsNone(log.recent(other, 0.0, 10_000))
            self.assertEqual(log.resume(other, 0.0), LOST)
        self.assertEqual(log.resume(replace(place(6), mark=MARK + 1), 0.0), LOST)
        kept = log.resume(replace(place(4), tag="other"), 0.0)
        assert isinstance(kept, Plan)
        self.assertTrue(kept.keptOnly)

    def test_expired(self) -> None:
        """If nothing was kept between a position and the oldest entry, the rest is expired."""
        log = self.begin(place(9))
        self.fill(log, entry(8), entry(9))
        self.assertEqual(log.resume(place(6), 0.0), EXPIRED)
        self.assertEqual(self.missed(log, place(7)), [b"8", b"9"])

    def test_doubtful(self) -> None:
        """If something was kept in between, the client gets that, and C{keptOnly}."""
        log = self.begin(place(9, 200))
        self.fill(log, entry(8, 200), entry(9, 200))
        plan = log.resume(place(6, 150), 0.0)
        assert isinstance(plan, Plan)
        self.assertEqual((plan.after, plan.until, plan.keptOnly), (150, 200, True))
        marked = log.resume(Position("e", None, 150, seen=True), 0.0)
        self.assertEqual(marked, plan)

    def test_firstKept(self) -> None:
        """If the oldest entry is a kept message, the history has to give those before it."""
        log = self.begin(place(9, 300))
        self.fill(log, entry(8, 300, True), entry(9, 300))
        plan = log.resume(place(6, 150), 0.0)
        assert isinstance(plan, Plan)
        self.assertEqual((plan.after, plan.until, plan.keptOnly), (150, 299, True))

    def test_fallenOut(self) -> None:
        """What fell out of this log is known, also if it fell out before the log was filled."""
        log = self.begin(place(2), Depth(2, 1000, 10.0))
        self.add(log, entry(3), entry(4, 150, True), entry(5, 150), entry(6, 150))
        self.fill(log, entry(1), entry(2))
        self.assertEqual(log.resume(place(1), 0.0), EXPIRED)
        plan = log.resume(place(3), 0.0)
        assert isinstance(plan, Plan)
        self.assertEqual((plan.after, plan.until, plan.keptOnly), (MARK, 150, False))

    def test_gone(self) -> None:
        """A log that cannot be filled takes what came before it began for expired."""
        log = self.begin(place(3))
        self.add(log, entry(4))
        self.fill(log)
        self.assertIsInstance(log.resume(place(2), 0.0), Gap)
        self.assertEqual(self.missed(log, place(3)), [b"4"])
