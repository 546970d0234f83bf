"""
Tests for L{aerostack.core.replay.log}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.gaps import EXPIRED, UNKNOWN, Gap
from aerostack.core.replay.log import OVERHEAD, Depth, Plan, TopicLog
from aerostack.core.replay.positions import Position

ROOMY = Depth(1000, 1_000_000, 1000.0)


def makeLog(depth: Depth = ROOMY, mark: int = 100, lineage: str = "") -> TopicLog:
    """
    A log that begins at a mark.
    """
    return TopicLog("e1", depth, mark, lineage)


def fill(log: TopicLog, *marks: int | None, at: float = 0.0) -> list[Position]:
    """
    Add an entry for each mark.

    @return: The position of each.
    """
    places = []
    for mark in marks:
        place = log.next(mark)
        log.append(b"%d" % place.offset if place.offset else b"", mark, None, at)
        places.append(place)
    return places


class RingTests(SynchronousTestCase):
    """
    What a log holds.
    """

    def test_positions(self) -> None:
        """
        Each entry has the position that the log gave before, and the last one is the log's.
        """
        log = makeLog()
        self.assertEqual(log.position, Position("e1", 0, 100))
        self.assertEqual(
            fill(log, None, 105, None),
            [
                Position("e1", 1, 100),
                Position("e1", 2, 105, seen=True),
                Position("e1", 3, 105, seen=True),
            ],
        )
        self.assertEqual(log.position, Position("e1", 3, 105, seen=True))

    def test_count(self) -> None:
        """
        A log holds no more entries than its depth allows.
        """
        log = makeLog(Depth(3, 1_000_000, 1000.0))
        fill(log, *[None] * 10)
        self.assertEqual(len(log), 3)

    def test_bytes(self) -> None:
        """
        A log holds no more bytes than its depth allows, and knows how many it holds.
        """
        log = makeLog(Depth(1000, 3 * (OVERHEAD + 10), 1000.0))
        for _ in range(10):
            log.append(b"0123456789", None, None, 0.0)
            self.assertLessEqual(log.size, 3 * (OVERHEAD + 10))
        self.assertEqual((len(log), log.size), (3, 3 * (OVERHEAD + 10)))

    def test_age(self) -> None:
        """
        A log holds no entry for longer than its depth allows.
        """
        log = makeLog(Depth(1000, 1_000_000, 10.0))
        fill(log, None, at=0.0)
        fill(log, None, at=5.0)
        log.trim(10.0)
        self.assertEqual(len(log), 2)
        log.trim(10.1)
        self.assertEqual(len(log), 1)
        log.trim(15.1)
        self.assertEqual((len(log), log.size), (0, 0))

    def test_shrink(self) -> None:
        """
        When memory is needed, the oldest entries go.
        """
        log = makeLog()
        places = fill(log, *[None] * 4)
        log.shrink(log.size // 2)
        self.assertEqual(len(log), 2)
        plan = log.resume(places[1], 0.0)
        assert isinstance(plan, Plan)
        self.assertEqual([entry.offset for entry in plan.entries], [3, 4])
        self.assertEqual(log.resume(places[0], 0.0), EXPIRED)


class ResumeTests(SynchronousTestCase):
    """
    How a client that comes back goes on.
    """

    def assertPlan(
        self,
        plan: Plan | Gap,
        offsets: list[int],
        after: int | None = None,
        until: int = 0,
        keptOnly: bool = False,
    ) -> None:
        """
        Assert what a plan is.
        """
        assert isinstance(plan, Plan), plan
        self.assertEqual([entry.offset for entry in plan.entries], offsets)
        self.assertEqual((plan.after, plan.until, plan.keptOnly), (after, until, keptOnly))

    def test_nothingMissed(self) -> None:
        """
        A client that has seen everything gets nothing.
        """
        log = makeLog()
        fill(log, None, 101)
        self.assertPlan(log.resume(log.position, 0.0), [])

    def test_fromRing(self) -> None:
        """
        Entries in the ring are not read from the database, whether they were kept or not.
        """
        log = makeLog()
        places = fill(log, None, 101, None, 102)
        self.assertPlan(log.resume(places[0], 0.0), [2, 3, 4])

    def test_gone(self) -> None:
        """
        Where what an entry refers to is gone, no client goes on from before it, by its offset or by
        its mark; a client that has the entry does.  What falls out later changes nothing.
        """
        for marks, offset in (((None, None, None), 2), ((101, None, 102, None), 3)):
            log = makeLog()
            places = fill(log, *marks)
            log.lose(offset)
            for place in (places[0], Position("e1", None, places[0].mark)):
                self.assertEqual(log.resume(place, 0.0), EXPIRED)
                self.assertIsNone(log.recent(places[0], 0.0, 10_000))
            self.assertPlan(
                log.resume(places[offset - 1], 0.0), list(range(offset + 1, len(marks) + 1))
            )
            log.shrink(log.size - 1)
            self.assertEqual(log.resume(places[0], 0.0), EXPIRED)
            log.lose(1)
            self.assertPlan(
                log.resume(places[offset - 1], 0.0), list(range(offset + 1, len(marks) + 1))
            )

    def test_recent(self) -> None:
        """
        The newest entries can be had without a plan, as long as they are few and in memory.
        """
        log = makeLog(Depth(3, 1_000_000, 10.0))
        places = fill(log, None, 101, None, 102)
        plan = log.resume(places[0], 0.0)
        assert isinstance(plan, Plan)
        sizes = [entry.size for entry in plan.entries]

        def recent(position: Position, size: int, now: float = 0.0) -> list[int] | None:
            found = log.recent(position, now, size)
            return None if found is None else [entry.offset for entry in found]

        self.assertEqual(recent(log.position, 0), [])
        self.assertEqual(recent(places[0], sum(sizes)), [2, 3, 4])
        self.assertEqual(recent(places[2], sizes[-1]), [4])
        self.assertIsNone(recent(places[0], sum(sizes) - 1))
        self.assertIsNone(recent(replace(places[0], offset=0), 10_000))
        self.assertIsNone(recent(places[0], 10_000, now=11.0))

    def test_notRecent(self) -> None:
        """
        A position of another log, of the database or of the future has no newest entries.
        """
        log = makeLog()
        places = fill(log, None, 101)
        for position in (
            replace(places[0], epoch="other"),
            replace(places[0], offset=None),
            replace(places[0], offset=3),
        ):
            self.assertIsNone(log.recent(position, 0.0, 10_000))

    def test_behind(self) -> None:
        """
        A table's log is behind a position from another daemon that has read further in the same
        journal.
        """
        log = makeLog(mark=7, lineage="j")
        other = Position("other", 1, 8, "j")
        self.assertTrue(log.isBehind(other))
        self.assertFalse(log.isBehind(replace(other, mark=7)))
        self.assertFalse(log.isBehind(replace(other, epoch=log.epoch)))
        self.assertFalse(log.isBehind(replace(other, lineage="k")))
        self.assertFalse(makeLog().isBehind(replace(other, lineage="", mark=1000)))

    def test_beyondRing(self) -> None:
        """
        If all entries that fell out were kept, they are read from the database up to where the ring
        begins.
        """
        log = makeLog(Depth(2, 1_000_000, 1000.0))
        places = fill(log, 101, 102, 103, 104)
        self.assertPlan(log.resume(places[0], 0.0), [3, 4], after=101, until=102)

    def test_lost(self) -> None:
        """
        If an entry fell out that was not kept, the answer is a gap.
        """
        log = makeLog(Depth(2, 1_000_000, 1000.0))
        places = fill(log, 101, None, 102, 103, 104)
        self.assertEqual(log.resume(places[0], 0.0), EXPIRED)
        # A client that has seen it still gets what was kept after it.
        self.assertPlan(log.resume(places[1], 0.0), [4, 5], after=101, until=102)

    def test_future(self) -> None:
        """
        A position beyond the end of the log is unknown.
        """
        log = makeLog()
        fill(log, 101)
        self.assertEqual(log.resume(Position("e1", 2, 101), 0.0), UNKNOWN)

    def test_byMark(self) -> None:
        """
        After an entry that was read from the database come the entries with a later mark, and those
        that were published without being kept before the next mark.
        """
        log = makeLog()
        fill(log, 101, None, 102)
        self.assertPlan(log.resume(Position("e1", None, 101), 0.0), [2, 3])
        self.assertPlan(log.resume(Position("e1", None, 102), 0.0), [])

    def test_byMarkBeyondRing(self) -> None:
        """
        A client with a mark alone goes on beyond the ring as well, unless an entry at that mark
        fell out that was not kept.
        """
        log = makeLog(Depth(1, 1_000_000, 1000.0))
        fill(log, 101, None, 102, 103, 104)
        self.assertPlan(log.resume(Position("e1", None, 102), 0.0), [5], after=102, until=103)
        self.assertEqual(log.resume(Position("e1", None, 101), 0.0), EXPIRED)

    def test_byMarkBeforeFirst(self) -> None:
        """
        A client that has read everything up to where the log begins gets a gap if entries fell out
        since.
        """
        log = makeLog(Depth(1, 1_000_000, 1000.0))
        fill(log, None, None)
        self.assertEqual(log.resume(Position("e1", None, 100), 0.0), EXPIRED)

    def test_otherLog(self) -> None:
        """
        A client from an earlier log gets what was kept, and learns that it is only that.
        """
        log = makeLog(mark=100)
        fill(log, None, 101)
        elsewhere = Position("e0", 77, 90)
        self.assertPlan(log.resume(elsewhere, 0.0), [1, 2], after=90, until=100, keptOnly=True)

    def test_otherLogNothingKept(self) -> None:
        """
        After an earlier log, the plan asks the database for kept messages even if it may have
        no new ones: only the database knows.
        """
        log = makeLog(mark=100)
        fill(log, 101, None)
        self.assertPlan(
            log.resume(Position("e0", 7, 101), 0.0), [2], after=101, until=101, keptOnly=True
        )

    def test_otherLineage(self) -> None:
        """
        A position of another journal is unknown.
        """
        log = makeLog(lineage="j2")
        self.assertEqual(log.resume(Position("e0", 1, 90, "j1"), 0.0), UNKNOWN)

    def test_olderDatabase(self) -> None:
        """
        A position with a mark beyond the newest is of a database that was restored to an older
        state.
        """
        log = makeLog(mark=100)
        self.assertEqual(log.resume(Position("e0", 1, 101), 0.0), UNKNOWN)

    def test_reach(self) -> None:
        """
        While nothing happens on a topic its mark goes on, and a position with the old mark still
        leads to everything that follows.
        """
        log = makeLog(mark=100, lineage="j1")
        before = log.position
        log.reach(150)
        log.reach(120)
        self.assertEqual(log.position.mark, 150)
        fill(log, 151)
        self.assertPlan(log.resume(before, 0.0), [1])
        self.assertPlan(log.resume(Position("e0", 5, 130, "j1"), 0.0), [1], 130, 130, keptOnly=True)

    @given(
        st.lists(st.booleans(), max_size=30),
        st.integers(1, 10),
        st.integers(0, 30),
        st.booleans(),
    )
    def test_exact(self, kept: list[bool], count: int, seen: int, marksOnly: bool) -> None:
        """
        Whatever was kept, whatever fell out and wherever a client left: what it reads and what the
        ring has is exactly what it missed, in order, or the answer is a gap.
        """
        log = makeLog(Depth(count, 1_000_000, 1000.0), mark=0)
        places = [log.position]
        mark = 0
        entries: list[tuple[int, int | None]] = []
        for offset, isKept in enumerate(kept, 1):
            mark += isKept
            places += fill(log, mark if isKept else None)
            entries.append((offset, mark if isKept else None))
        seen = min(seen, len(kept))
        place = places[seen]
        if marksOnly:
            # As it stands on an entry that was read from the database.
            while seen and entries[seen - 1][1] is None:
                seen -= 1
            place = Position("e1", None, places[seen].mark)
        plan = log.resume(place, 0.0)
        missed = entries[seen:]
        if isinstance(plan, Gap):
            fallen = entries[: max(0, len(entries) - count)]
            self.assertIn(None, [mark for offset, mark in fallen if offset > seen])
            return
        read = [
            (o, m)
            for o, m in entries
            if plan.after is not None and m is not None and plan.after < m <= plan.until
        ]
        self.assertEqual(read + [entries[entry.offset - 1] for entry in plan.entries], missed)
