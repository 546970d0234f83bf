"""
Tests for L{aerostack.tables.snapshots}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import Row
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.core.rows.views import Projection
from aerostack.errors import RealtimeError
from aerostack.tables.snapshots import PAGE_BYTES, Hold, Rows, Snapshots, encodePages
from aerostack.testing import readFrames

BOUNDS = Bounds(rows=100, size=1000, seconds=1.0)


class FakeReads:
    """
    A tracker that only reads rows, when a test lets it.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Selection, Deferred[Snapshot]]] = []

    def snapshot(self, table: str, selection: Selection, bounds: Bounds) -> Deferred[Snapshot]:
        answer: Deferred[Snapshot] = Deferred()
        self.asked.append((table, selection, answer))
        return answer


class PagesTests(SynchronousTestCase):
    """
    Tests for the frames that carry rows.
    """

    def frames(self, rows: list[Row]) -> list[dict[str, Any]]:
        """
        Encode rows, and read the frames.
        """
        pages = encodePages(rows, "table/orders/p", None, "e-1")
        return [frame for page in pages for frame in readFrames(bytes(page))]

    def test_none(self) -> None:
        """
        Without rows, one page says so, and gives the position at which the changes begin.
        """
        self.assertEqual(
            self.frames([]),
            [
                {
                    "type": "snapshot",
                    "topic": "table/orders/p",
                    "rows": [],
                    "more": False,
                    "pos": "e-1",
                }
            ],
        )

    def test_pages(self) -> None:
        """
        Many rows come in pages of a bounded size, each once and in order, and only the last page
        has a position.
        """
        rows: list[Row] = [{"id": number, "text": "x" * 1000} for number in range(200)]
        frames = self.frames(rows)
        self.assertEqual([row for frame in frames for row in frame["rows"]], rows)
        self.assertEqual([frame["more"] for frame in frames], [True] * (len(frames) - 1) + [False])
        self.assertEqual(["pos" in frame for frame in frames], [False] * (len(frames) - 1) + [True])
        for page in encodePages(rows, "table/orders/p", None, "e-1"):
            self.assertLess(len(page), PAGE_BYTES + 300)

    def test_wide(self) -> None:
        """
        A row that is larger than a page has a page of its own.
        """
        rows: list[Row] = [{"id": 1}, {"id": 2, "text": "x" * PAGE_BYTES}, {"id": 3}]
        self.assertEqual([len(frame["rows"]) for frame in self.frames(rows)], [1, 1, 1])

    def test_once(self) -> None:
        """
        A page for several clients is encoded once, when the first of them needs it.
        """
        some = Projection(chosen=frozenset(["id"]))
        table: list[Row] = [{"id": number, "text": "x" * PAGE_BYTES} for number in range(3)]
        rows = Rows(Snapshot(table, 1, "j", 1))
        one, two = (rows.pages("t", some, "e-1") for _ in range(2))
        first = [next(one), next(two), *two]
        self.assertIs(first[0], first[1])
        self.assertEqual([first[0], *one], first[1:])
        [page] = first[1:]
        self.assertEqual(readFrames(bytes(page))[0]["rows"], [{"id": n} for n in range(3)])
        self.assertEqual(len(list(rows.pages("t", None, "e-1"))), 3)


class SnapshotsTests(SynchronousTestCase):
    """
    Tests for L{Snapshots}.
    """

    def setUp(self) -> None:
        self.reads = FakeReads()
        self.snapshots = Snapshots(self.reads, BOUNDS, budget=8000)  # type: ignore[arg-type]

    def read(self, limit: int, client: str = "ann") -> Deferred[Hold]:
        """
        Ask for some rows.
        """
        return self.snapshots.read("orders", Selection(limit=limit), client)

    def wanted(self) -> list[int | None]:
        """
        The limits of the reads that are under way.
        """
        return [selection.limit for _, selection, _ in self.reads.asked]

    def answer(self, size: int = 100) -> None:
        """
        Answer the oldest read.
        """
        self.reads.asked.pop(0)[2].callback(Snapshot([{"id": 1}], 7, "j", size))

    def test_shared(self) -> None:
        """
        Clients that want the same rows share one read; a client that wants others, or comes after
        the read, has its own.
        """
        same = [self.read(1, client) for client in ("ann", "ann", "ben")]
        other = self.read(2)
        self.assertEqual(self.wanted(), [1, 2])
        self.answer()
        holds = [self.successResultOf(each) for each in same]
        self.assertEqual([hold.rows for hold in holds], [holds[0].rows] * 3)
        self.assertNoResult(other)
        self.read(1)
        self.assertEqual(self.wanted(), [2, 1])

    def test_budget(self) -> None:
        """
        No read begins while the budget is used up; as soon as rows are released the next begins.
        """
        self.snapshots.budget = 3000
        reading = [self.read(limit, f"client{n}") for n, limit in enumerate((1, 2, 1, 3))]
        self.assertEqual(self.wanted(), [1, 2])
        self.answer(size=1000)
        self.answer(size=1000)
        self.assertNoResult(reading[3])
        self.assertEqual((self.snapshots.held, self.wanted()), (4000, []))
        one, two, three = (self.successResultOf(each) for each in reading[:3])
        one.release()
        one.release()
        self.assertEqual(self.wanted(), [])
        three.release()
        self.assertEqual(self.wanted(), [3])
        self.answer()
        for hold in (two, self.successResultOf(reading[3])):
            hold.release()
        self.assertEqual(self.snapshots.held, 0)

    def test_turns(self) -> None:
        """
        A client that asks for much has as many turns as one that asks for little.
        """
        for limit in range(1, 300):
            self.read(limit)
        self.assertEqual(self.wanted(), [1, 2, 3, 4])
        others = [self.read(1000, "ben"), self.read(2000, "eve"), self.read(1001, "ben")]
        for _ in range(5):
            self.answer()
        self.assertEqual(self.wanted()[:4], [1000, 2000, 6, 1001])
        for _ in range(4):
            self.answer()
        for each in others:
            self.successResultOf(each)

    def test_slowClient(self) -> None:
        """
        A client that takes its rows slowly gets no more meanwhile, and others do.
        """
        self.snapshots.budget = 80_000
        slow = self.read(1)
        self.answer(size=10_000)
        self.read(2)
        self.assertEqual(self.wanted(), [])
        self.read(1, "ben")
        self.assertEqual(self.wanted(), [1])
        self.successResultOf(slow).release()
        self.assertEqual(self.wanted(), [1, 2])

    def test_cancelled(self) -> None:
        """
        A read that was cancelled does not begin, unless others want it; if it is under way, its
        rows are dropped when they come.
        """
        begun = [self.read(limit) for limit in (1, 2, 3, 4)]
        gone, shared = self.read(5), self.read(6)
        self.read(6, "ben")
        for each in (gone, shared, *begun):
            each.cancel()
            self.failureResultOf(each, CancelledError)
        for _ in range(4):
            self.answer()
        self.assertEqual(self.wanted(), [6])
        again = self.read(6)
        self.answer()
        self.successResultOf(again).release()
        self.assertEqual((self.snapshots.held, self.wanted()), (200, []))

    def test_cancelledMeanwhile(self) -> None:
        """
        A client whose read is cancelled by another client that gets the same rows does not get
        them.
        """
        one, two = self.read(1, "ann"), self.read(1, "ben")
        one.addCallback(lambda hold: (two.cancel(), hold.release()))
        self.answer()
        self.successResultOf(one)
        self.failureResultOf(two, CancelledError)
        self.assertEqual(self.snapshots.held, 0)

    def test_manyFailures(self) -> None:
        """
        Any number of waiting reads can fail at once, and each is answered.
        """
        waiting = [self.read(limit) for limit in range(5000)]
        self.patch(
            self.reads,
            "snapshot",
            lambda *_: fail(RealtimeError("database_unavailable", "Locked.")),
        )
        while self.reads.asked:
            self.answer()
        for each in waiting[:4]:
            self.successResultOf(each)
        for each in waiting[4:]:
            self.failureResultOf(each, RealtimeError)

    def test_failure(self) -> None:
        """
        When a read fails, all clients that wanted it get the error, and the next read begins.
        """
        asking = [self.read(1), self.read(1, "ben")]
        self.reads.asked.pop()[2].errback(RealtimeError("too_large", "More rows."))
        for each in asking:
            self.failureResultOf(each, RealtimeError)
        self.assertEqual(self.snapshots.held, 0)
        self.read(1)
        self.assertEqual(self.wanted(), [1])
