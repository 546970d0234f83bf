"""
Tests for L{aerostack.core.replay.mirror}.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.gaps import EXPIRED, Gap
from aerostack.core.replay.log import OVERHEAD, Depth, Entry, Past, Plan, TopicLog
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.mirror import MirrorLog
from aerostack.core.replay.positions import Position

ROOMY = Depth(1000, 1_000_000, 1000.0)


def readPast(source: TopicLog, until: int, size: int) -> list[Past]:
    """
    Read everything that a log holds up to an offset, in pages.
    """
    pages = [source.past(0, until, size)]
    while (page := source.past(lastOf(pages), until, size)).entries:
        pages.append(page)
    return pages


def lastOf(pages: list[Past]) -> int:
    """
    The offset of the last entry in some pages, 0 if there is none.
    """
    return max((entry.offset for page in pages for entry in page.entries), default=0)


def joined(pages: list[Past]) -> Past:
    """
    One part of the log, of pages that follow one another.
    """
    newest = pages[-1]
    entries = tuple(entry for page in pages for entry in page.entries)
    return Past(newest.first, newest.base, newest.lostOffset, newest.lostMark, entries)


def plain(decision: Plan | Gap) -> object:
    """
    What a log decided, without the identity of its entries.
    """
    if isinstance(decision, Gap):
        return decision
    entries = [(e.offset, e.mark, e.kept, e.frame, e.at) for e in decision.entries]
    return entries, decision.after, decision.until, decision.keptOnly


@dataclass(frozen=True)
class Step:
    """
    Something that happens to a log.

    @ivar size: How many bytes an entry has; L{None} if none is added.
    @ivar kept: How much later its mark is than the newest; L{None} if it is not kept.
    @ivar wait: How many seconds pass before.
    """

    size: int | None
    kept: int | None
    wait: int


steps = st.lists(
    st.builds(
        Step,
        st.one_of(st.integers(0, 400), st.integers(0, 9), st.none()),
        st.one_of(st.none(), st.integers(-2, 3)),
        st.sampled_from((0, 0, 0, 1, 4)),
    ),
    max_size=12,
)
depths = st.builds(
    Depth, st.sampled_from((30, 8, 3)), st.sampled_from((9000, 2000, 700)), st.integers(4, 40)
)


class Run:
    """
    A log, and a mirror of it.
    """

    def __init__(self, depth: Depth) -> None:
        self.now = 0.0
        self.depth = depth
        self.source = TopicLog("e1", depth, 100)
        self.mirror: MirrorLog | None = None
        self.places = [self.source.position]

    def go(self, happens: list[Step]) -> None:
        """
        Let things happen to both.
        """
        logs = [self.source] if self.mirror is None else [self.source, self.mirror]
        for step in happens:
            self.now += step.wait
            mark = None if step.kept is None else self.source.mark + step.kept
            for log in logs:
                if step.size is None:
                    log.trim(self.now)
                else:
                    log.append(b"%d" % log.head + b"x" * step.size, mark, None, self.now)
            self.places.append(self.source.position)


class MirrorTests(SynchronousTestCase):
    """
    What a mirror decides.
    """

    @settings(deadline=None, max_examples=300)
    @given(
        depths,
        steps,
        steps,
        steps,
        steps,
        st.one_of(st.none(), st.integers(0, 3000)),
        st.integers(1, 3000),
    )
    def test_asSource(
        self,
        depth: Depth,
        before: list[Step],
        meanwhile: list[Step],
        during: list[Step],
        after: list[Step],
        shrink: int | None,
        size: int,
    ) -> None:
        """
        Whatever happens before a mirror begins, until it is filled, while it is filled and
        afterwards, it then decides every resume as its source.  The source may have to forget
        entries meanwhile, because memory is short.
        """
        run = Run(depth)
        run.go(before)
        source = run.source
        mirror = run.mirror = MirrorLog(source.position, depth)
        self.assertEqual(mirror.position, source.position)
        run.go(meanwhile)
        if not mirror.isFilled:
            pages = [source.past(0, mirror.begin, size)]
            run.go(during)
            if shrink is not None:
                source.shrink(shrink)
            pages += [source.past(lastOf(pages), mirror.begin, 1_000_000)]
            mirror.prepend(joined(pages), run.now)
        else:
            run.go(during)
        run.go(after)
        self.assertTrue(mirror.isFilled)
        self.assertEqual(mirror.position, source.position)
        for place in run.places:
            for epoch, offset in ((place.epoch, place.offset), (place.epoch, None), ("e0", 7)):
                for mark in (place.mark - 1, place.mark, place.mark + 1):
                    position = Position(epoch, offset, mark, seen=place.seen)
                    self.assertEqual(
                        plain(mirror.resume(position, run.now)),
                        plain(source.resume(position, run.now)),
                        position,
                    )
        self.assertEqual((mirror.size, len(mirror)), (source.size, len(source)))

    @given(depths, steps, steps)
    def test_unfilled(self, depth: Depth, before: list[Step], after: list[Step]) -> None:
        """
        Before a mirror is filled, it gives a client what it missed or says that it is lost; it
        leaves nothing out.
        """
        run = Run(depth)
        run.go(before)
        mirror = run.mirror = MirrorLog(run.source.position, depth)
        run.go(after)
        for place in run.places:
            decision = mirror.resume(place, run.now)
            if decision != EXPIRED:
                self.assertEqual(plain(decision), plain(run.source.resume(place, run.now)))

    def test_shorter(self) -> None:
        """
        A mirror that had to forget entries of its own does not claim to have what came before.
        """
        source = TopicLog("e1", ROOMY, 100)
        for _ in range(3):
            source.append(b"", None, None, 0.0)
        for kept in (True, False):
            mirror = MirrorLog(source.position, ROOMY)
            mirror.append(b"4", 101 if kept else None, None, 0.0)
            mirror.append(b"5", 102, None, 0.0)
            mirror.shrink(mirror.size - 1)
            mirror.prepend(source.past(0, 3, 10_000), 0.0)
            lost, last = (3, 100) if kept else (4, 100)
            self.assertEqual(mirror.resume(Position("e1", lost - 1, last), 0.0), EXPIRED)
            self.assertEqual(mirror.resume(Position("e1", None, last), 0.0), EXPIRED)
            plan = mirror.resume(Position("e1", lost, last), 0.0)
            assert isinstance(plan, Plan)
            self.assertEqual([entry.offset for entry in plan.entries], [5])

    def test_fresh(self) -> None:
        """
        A mirror of a log that never had an entry has all that there is.
        """
        self.assertTrue(MirrorLog(Position("e1", 0, 100), ROOMY).isFilled)

    def test_otherSource(self) -> None:
        """
        If the source is another log by now, what came before stays lost.
        """
        mirror = MirrorLog(Position("e1", 5, 100, seen=True), ROOMY)
        mirror.append(b"6", None, None, 0.0)
        mirror.prepend(None, 0.0)
        self.assertTrue(mirror.isFilled)
        self.assertEqual(mirror.resume(Position("e1", 4, 100), 0.0), EXPIRED)
        plan = mirror.resume(Position("e1", 5, 100), 0.0)
        assert isinstance(plan, Plan)
        self.assertEqual([entry.offset for entry in plan.entries], [6])


class PageTests(SynchronousTestCase):
    """
    Pages of what a log holds.
    """

    def test_pages(self) -> None:
        """
        Pages have as many bytes as are asked for, but one entry at least, and nothing twice.
        """
        log = TopicLog("e1", ROOMY, 100)
        for n in range(10):
            log.append(b"x" * 100, 101 + n, None, 0.0)
        size = OVERHEAD + 100
        pages = readPast(log, 8, 2 * size + 100)
        self.assertEqual(
            [[entry.offset for entry in page.entries] for page in pages],
            [[1, 2], [3, 4], [5, 6], [7, 8]],
        )
        self.assertEqual([len(page.entries) for page in readPast(log, 3, 1)], [1, 1, 1])
        log.shrink(3 * size)
        self.assertEqual(
            log.past(0, 9, 10_000), Past(8, 107, 0, -1, tuple(log.past(7, 9, 10_000).entries))
        )
        self.assertEqual(log.past(0, 7, 10_000).entries, ())


class LogsTests(SynchronousTestCase):
    """
    Mirrors among the logs of all topics.
    """

    def test_budget(self) -> None:
        """
        What a mirror is filled with counts towards the budget of all logs.
        """
        logs = TopicLogs(lambda topic: ROOMY, lambda: "own", 1500)
        logs.needed = lambda topic: True
        mirror = logs.follow("chat/a/p", Position("e1", 4, 100), 0.0)
        self.assertIs(logs.get("chat/a/p"), mirror)
        frame = b"x" * (500 - OVERHEAD)
        entries = tuple(Entry(n, 100, False, frame, None, 0.0) for n in range(1, 5))
        logs.prepend("chat/a/p", mirror, Past(1, 100, 0, -1, entries), 0.0)
        self.assertEqual((len(mirror), logs.size), (3, 1500))
        logs.drop("chat/a/p")
        self.assertEqual(logs.size, 0)

    def test_again(self) -> None:
        """
        A mirror takes the place of the log that its topic has, and one that is not needed goes in
        the end.
        """
        logs = TopicLogs(lambda topic: Depth(10, 1000, 5.0), lambda: "own", 1500)
        log = logs.open("chat/a/p", 50, 0.0)
        logs.append("chat/a/p", log, b"x", None, None, 0.0)
        mirror = logs.follow("chat/a/p", Position("e1", 4, 100), 1.0)
        self.assertEqual((logs.get("chat/a/p"), logs.size), (mirror, 0))
        for _ in logs.expire(7.0):
            pass
        self.assertIsNone(logs.get("chat/a/p"))
