"""
Tests for L{aerostack.core.replay.log}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import EXPIRED, OVERHEAD, UNKNOWN, Depth, Gap, Plan, TopicLog
from aerostack.core.replay.positions import Position

ROOMY = Depth(1000, 1_000_000, 1000.0)


def makeStream(depth: Depth = ROOMY, mark: int = 100, lineage: str = "") -> TopicLog:
    """
    A stream that begins at a mark.
    """
    return TopicLog("e1", depth, mark, lineage)


def fill(stream: TopicLog, *marks: int | None, at: float = 0.0) -> list[Position]:
    """
    Add an entry for each mark.

    @return: The position of each.
    """
    places = []
    for mark in marks:
        place = stream.next(mark)
        stream.append(b"%d" % place.offset if place.offset else b"", mark, None, at)
        places.append(place)
    return places


class RingTests(SynchronousTestCase):
    """
    What a stream holds.
    """

    def test_positions(self) -> None:
        """
        Each entry has the position that was foretold, and the last is the stream's.
        """
        stream = makeStream()
        self.assertEqual(stream.position, Position("e1", 0, 100))
        self.assertEqual(
            fill(stream, None, 105, None),
            [
                Position("e1", 1, 100),
                Position("e1", 2, 105, seen=True),
                Position("e1", 3, 105, seen=True),
            ],
        )
        self.assertEqual(stream.position, Position("e1", 3, 105, seen=True))

    def test_count(self) -> None:
        """
        It holds so many entries and no more.
        """
        stream = makeStream(Depth(3, 1_000_000, 1000.0))
        fill(stream, *[None] * 10)
        self.assertEqual(len(stream), 3)

    def test_bytes(self) -> None:
        """
        It holds so many bytes and no more, and knows how many.
        """
        stream = makeStream(Depth(1000, 3 * (OVERHEAD + 10), 1000.0))
        for _ in range(10):
            stream.append(b"0123456789", None, None, 0.0)
            self.assertLessEqual(stream.size, 3 * (OVERHEAD + 10))
        self.assertEqual((len(stream), stream.size), (3, 3 * (OVERHEAD + 10)))

    def test_age(self) -> None:
        """
        It holds nothing for longer than it may.
        """
        stream = makeStream(Depth(1000, 1_000_000, 10.0))
        fill(stream, None, at=0.0)
        fill(stream, None, at=5.0)
        stream.trim(10.0)
        self.assertEqual(len(stream), 2)
        stream.trim(10.1)
        self.assertEqual(len(stream), 1)
        stream.trim(15.1)
        self.assertEqual((len(stream), stream.size), (0, 0))

    def test_shrink(self) -> None:
        """
        The oldest go when room is needed.
        """
        stream = makeStream()
        places = fill(stream, *[None] * 4)
        stream.shrink(stream.size // 2)
        self.assertEqual(len(stream), 2)
        plan = stream.resume(places[1], 0.0)
        assert isinstance(plan, Plan)
        self.assertEqual([entry.offset for entry in plan.entries], [3, 4])
        self.assertEqual(stream.resume(places[0], 0.0), EXPIRED)


class ResumeTests(SynchronousTestCase):
    """
    How somebody who comes back goes on.
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
        Whoever has seen everything gets nothing.
        """
        stream = makeStream()
        fill(stream, None, 101)
        self.assertPlan(stream.resume(stream.position, 0.0), [])

    def test_fromRing(self) -> None:
        """
        What is in the ring need not be read from the database, kept or not.
        """
        stream = makeStream()
        places = fill(stream, None, 101, None, 102)
        self.assertPlan(stream.resume(places[0], 0.0), [2, 3, 4])

    def test_beyondRing(self) -> None:
        """
        What fell out is read up to where the ring begins, if all of it was kept.
        """
        stream = makeStream(Depth(2, 1_000_000, 1000.0))
        places = fill(stream, 101, 102, 103, 104)
        self.assertPlan(stream.resume(places[0], 0.0), [3, 4], after=101, until=102)

    def test_lost(self) -> None:
        """
        Where something fell out that was not kept, it is said that it is missing.
        """
        stream = makeStream(Depth(2, 1_000_000, 1000.0))
        places = fill(stream, 101, None, 102, 103, 104)
        self.assertEqual(stream.resume(places[0], 0.0), EXPIRED)
        # Who has seen it still gets what was kept after it.
        self.assertPlan(stream.resume(places[1], 0.0), [4, 5], after=101, until=102)

    def test_future(self) -> None:
        """
        A position that the stream has not come to yet was never given.
        """
        stream = makeStream()
        fill(stream, 101)
        self.assertEqual(stream.resume(Position("e1", 2, 101), 0.0), UNKNOWN)

    def test_byMark(self) -> None:
        """
        Behind an entry that was read from the database comes what has a later mark, and
        what was published without being kept before the next mark.
        """
        stream = makeStream()
        fill(stream, 101, None, 102)
        self.assertPlan(stream.resume(Position("e1", None, 101), 0.0), [2, 3])
        self.assertPlan(stream.resume(Position("e1", None, 102), 0.0), [])

    def test_byMarkBeyondRing(self) -> None:
        """
        By its mark alone one goes on beyond the ring as well, unless something fell out
        at that mark that was not kept.
        """
        stream = makeStream(Depth(1, 1_000_000, 1000.0))
        fill(stream, 101, None, 102, 103, 104)
        self.assertPlan(stream.resume(Position("e1", None, 102), 0.0), [5], after=102, until=103)
        self.assertEqual(stream.resume(Position("e1", None, 101), 0.0), EXPIRED)

    def test_byMarkBeforeFirst(self) -> None:
        """
        One who was read everything up to where the stream begins hears of what fell out of
        it since.
        """
        stream = makeStream(Depth(1, 1_000_000, 1000.0))
        fill(stream, None, None)
        self.assertEqual(stream.resume(Position("e1", None, 100), 0.0), EXPIRED)

    def test_otherStream(self) -> None:
        """
        From an earlier stream one goes on with what was kept, and hears that it is only that.
        """
        stream = makeStream(mark=100)
        fill(stream, None, 101)
        elsewhere = Position("e0", 77, 90)
        self.assertPlan(stream.resume(elsewhere, 0.0), [1, 2], after=90, until=100, keptOnly=True)

    def test_otherStreamNothingKept(self) -> None:
        """
        Where nothing was kept between an earlier stream and this one, it is still asked
        whether that is so.
        """
        stream = makeStream(mark=100)
        fill(stream, 101, None)
        self.assertPlan(
            stream.resume(Position("e0", 7, 101), 0.0), [2], after=101, until=101, keptOnly=True
        )

    def test_otherLineage(self) -> None:
        """
        A position in another journal means nothing.
        """
        stream = makeStream(lineage="j2")
        self.assertEqual(stream.resume(Position("e0", 1, 90, "j1"), 0.0), UNKNOWN)

    def test_olderDatabase(self) -> None:
        """
        A position beyond all that is known is of a database that was put back.
        """
        stream = makeStream(mark=100)
        self.assertEqual(stream.resume(Position("e0", 1, 101), 0.0), UNKNOWN)

    def test_reach(self) -> None:
        """
        Where nothing of a topic happened the mark goes on, and a position with the old
        one still leads to everything that comes.
        """
        stream = makeStream(mark=100, lineage="j1")
        before = stream.position
        stream.reach(150)
        stream.reach(120)
        self.assertEqual(stream.position.mark, 150)
        fill(stream, 151)
        self.assertPlan(stream.resume(before, 0.0), [1])
        self.assertPlan(
            stream.resume(Position("e0", 5, 130, "j1"), 0.0), [1], 130, 130, keptOnly=True
        )

    @given(
        st.lists(st.booleans(), max_size=30),
        st.integers(1, 10),
        st.integers(0, 30),
        st.booleans(),
    )
    def test_exact(self, kept: list[bool], count: int, seen: int, marksOnly: bool) -> None:
        """
        Whatever was kept, whatever fell out and wherever somebody left: what is read and
        what the ring gives is what followed, once and in order, or it is called a gap.
        """
        stream = makeStream(Depth(count, 1_000_000, 1000.0), mark=0)
        places = [stream.position]
        mark = 0
        log: list[tuple[int, int | None]] = []
        for offset, isKept in enumerate(kept, 1):
            mark += isKept
            places += fill(stream, mark if isKept else None)
            log.append((offset, mark if isKept else None))
        seen = min(seen, len(kept))
        place = places[seen]
        if marksOnly:
            # As it stands on an entry that was read from the database.
            while seen and log[seen - 1][1] is None:
                seen -= 1
            place = Position("e1", None, places[seen].mark)
        plan = stream.resume(place, 0.0)
        missed = log[seen:]
        if isinstance(plan, Gap):
            fallen = log[: max(0, len(log) - count)]
            self.assertIn(None, [mark for offset, mark in fallen if offset > seen])
            return
        read = [
            (o, m)
            for o, m in log
            if plan.after is not None and m is not None and plan.after < m <= plan.until
        ]
        self.assertEqual(read + [log[entry.offset - 1] for entry in plan.entries], missed)
