"""
Tests for L{aerostack.snapshots}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.changes import Row
from aerostack.core.selection import Bounds, Selection, Snapshot
from aerostack.core.views import Projection
from aerostack.errors import RealtimeError
from aerostack.snapshots import PAGE_BYTES, Rows, Snapshots, encodePages
from aerostack.testing import readFrames

BOUNDS = Bounds(rows=100, size=1000, seconds=1.0)


class FakeReads:
    """
    A tracker that only reads rows, when it is told to.
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
        Where there is no row, one page says so, and where the changes begin.
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
        Many rows come in pages of a bounded size, all of them once and in order, and only
        the last page has a position.
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
        A row that is larger than a page has one of its own.
        """
        rows: list[Row] = [{"id": 1}, {"id": 2, "text": "x" * PAGE_BYTES}, {"id": 3}]
        self.assertEqual([len(frame["rows"]) for frame in self.frames(rows)], [1, 1, 1])

    def test_once(self) -> None:
        """
        What several get is encoded once, by whoever comes to it first.
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
        self.snapshots = Snapshots(self.reads, BOUNDS, budget=3000)  # type: ignore[arg-type]

    def answer(self, size: int = 100) -> None:
        """
        Answer the question that was asked first.
        """
        self.reads.asked.pop(0)[2].callback(Snapshot([{"id": 1}], 7, "j", size))

    def test_shared(self) -> None:
        """
        Those who want the same share one read; others have their own, and so has one who
        comes after it.
        """
        same = [self.snapshots.read("orders", Selection(limit=1)) for _ in range(3)]
        other = self.snapshots.read("orders", Selection(limit=2))
        self.assertEqual(
            [asked[:2] for asked in self.reads.asked],
            [("orders", Selection(limit=1)), ("orders", Selection(limit=2))],
        )
        self.answer()
        rows = [self.successResultOf(each) for each in same]
        self.assertEqual(rows, [rows[0]] * 3)
        self.assertNoResult(other)
        self.snapshots.read("orders", Selection(limit=1))
        self.assertEqual(len(self.reads.asked), 2)

    def test_budget(self) -> None:
        """
        While as much is on its way as memory is given for, nothing is read; as soon as
        nobody needs what was read any more, the next is.
        """
        sent: list[Any] = []
        for limit in (1, 2, 1, 3):
            reading = self.snapshots.read("orders", Selection(limit=limit))
            reading.addCallback(lambda rows: sent.append(rows.pages("t", None, "e-1")))
        self.assertEqual(len(self.reads.asked), 2)
        self.answer(size=1000)
        self.answer(size=1000)
        self.assertEqual((len(sent), self.snapshots.held), (3, 4000))
        self.assertEqual(len(self.reads.asked), 0)
        # The client is gone, before or after a part of it was sent.
        sent.pop(0)
        self.assertEqual(len(self.reads.asked), 0)
        next(sent[0])
        sent.pop(0)
        self.assertEqual(len(self.reads.asked), 1)
        self.answer()
        for pages in sent:
            self.assertEqual(len(list(pages)), 1)
        self.assertEqual(self.snapshots.held, 0)

    def test_failure(self) -> None:
        """
        All who wanted it hear that it failed, and the next is read.
        """
        asking = [self.snapshots.read("orders", Selection()) for _ in range(2)]
        self.reads.asked.pop()[2].errback(RealtimeError("too_large", "More rows."))
        for each in asking:
            self.failureResultOf(each, RealtimeError)
        self.assertEqual(self.snapshots.held, 0)
        self.snapshots.read("orders", Selection())
        self.assertEqual(len(self.reads.asked), 1)
