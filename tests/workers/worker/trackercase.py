"""
A tracker at a worker, with a hub in the same process, for tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.keyed.states import KeyedStates
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.selection import Bounds, Selection
from aerostack.hub.keyed import LocalValues
from aerostack.testing import MemoryHistory, MemoryTracker
from aerostack.workers.frames import Codec
from aerostack.workers.hub.reads import WorkerReads
from aerostack.workers.hub.tables import TableRelay
from tests.tracker.fakes import FakeListener
from tests.workers.joined import KINDS, Worker

ALL = Selection()
BOUNDS = Bounds(1_000_000, 100_000_000, 1.0)


def change(seq: int, table: str = "a", text: str = "") -> Change:
    """
    Make a change.
    """
    return Change(seq, table, INSERT, {"n": seq, "text": text}, None, 7)


class Listener(FakeListener):
    """
    A listener that may take time.

    @ivar judged: What C{tableAltered} returns.
    @ivar entered: The tables that were entered within a transaction.
    """

    judged: Deferred[None] | None = None

    def changed(self, changes: Sequence[Change]) -> Deferred[None] | None:
        self.heard.extend(change.seq for change in changes)
        return self.room

    def tableAltered(self, table: str, columns: Columns) -> Any:
        self.heard.append(("altered", table, *columns))
        return self.judged


class TrackerCase(SynchronousTestCase):
    """
    A hub and two workers.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.tracker = MemoryTracker(("a", "b"))
        self.history = MemoryHistory()
        self.queries: list[Any] = []
        self.result: Deferred[Any] = succeed({"results": [], "success": True, "meta": {"x": 1.5}})
        self.relay = TableRelay(self.clock, Codec(KINDS), self.tracker)
        self.tracker.listener = self.relay
        reads = WorkerReads(
            self.clock, self.tracker, self.history, LocalValues(KeyedStates()), self._query
        )
        self.workers = [Worker(self.clock, self.clock, self.relay, reads) for _ in range(2)]
        self.listeners = [Listener(), Listener()]
        for worker, listener in zip(self.workers, self.listeners, strict=True):
            worker.tracker.start(listener)
        self.remote, self.listener = self.workers[0].tracker, self.listeners[0]

    def _query(self, sql: str, parameters: list[Any]) -> Deferred[Any]:
        self.queries.append((sql, parameters))
        return self.result

    def turn(self) -> None:
        """
        Let everything arrive.
        """
        self.clock.advance(0)

    def answer(self, asked: Deferred[Any]) -> Any:
        """
        Wait for an answer.
        """
        self.turn()
        return self.successResultOf(asked)

    def watched(self, table: str = "a", number: int = 0) -> None:
        """
        Let a worker watch a table.
        """
        self.answer(self.workers[number].tracker.watch(table))
