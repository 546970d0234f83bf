"""
The tables that a worker watches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from aerostack.errors import RealtimeError
from aerostack.workers.messages.tables import Watched

GRACE = 60.0
"""For how many seconds the worker still gets the changes of a table without subscribers, so that
those who come back find them in memory."""


@dataclass
class WorkerTable:
    """
    A table of which the hub sends the changes.

    @ivar count: How many subscriptions it has.
    @ivar isLost: Whether it was lost, and is not back yet.
    @ivar lineage: See L{aerostack.interfaces.tracking.IJournal.lineage}.
    @ivar reshapedAt: See L{aerostack.interfaces.tracking.IJournal.reshapedAt}.
    @ivar leaving: Ends the watch, if the table has no subscription.
    """

    name: str
    count: int = 0
    isLost: bool = False
    lineage: str = ""
    reshapedAt: int = -1
    leaving: IDelayedCall | None = None


@dataclass(eq=False)
class _Request:
    """
    A call of L{Watches.ask} that waits for its turn.

    @ivar answer: The table's name, or why it cannot be watched; L{None} if that is not known yet.
    """

    table: str
    deferred: Deferred[str]
    answer: str | Failure | None = None


class Watches:
    """
    Counts the subscriptions to each table, and asks the hub once for all of them.

    @ivar tables: The tables of which the hub sends the changes, by their names.
    """

    def __init__(
        self,
        clock: IReactorTime,
        ask: Callable[[str], object],
        left: Callable[[str], object],
    ) -> None:
        """
        @param ask: Asks the hub for a table.  L{answered} or L{failed} follows.
        @param left: Is called when a table has had no subscription for L{GRACE} seconds.
        """
        self.tables: dict[str, WorkerTable] = {}
        self._clock = clock
        self._ask = ask
        self._left = left
        self._requests: deque[_Request] = deque()
        # The names for which the hub was asked and has not answered yet.
        self._asked: set[str] = set()
        self._isAnswering = False

    def ask(self, table: str) -> Deferred[str]:
        """
        Watch a table for one subscription more.

        @return: Fires in the order of the calls.
        """

        def forget(_: Deferred[str]) -> None:
            self._requests.remove(request)
            # The answers of the callers behind it may be known.
            self._answer()

        request = _Request(table, Deferred(forget))
        self._requests.append(request)
        if not self._isKnown(table):
            self._askHub(table)
        self._answer()
        return request.deferred

    def _isKnown(self, table: str) -> bool:
        known = self.tables.get(table)
        return known is not None and not known.isLost

    def _askHub(self, table: str) -> None:
        if table not in self._asked:
            self._asked.add(table)
            self._ask(table)

    def answered(self, table: str, answer: Watched) -> None:
        """
        Take the hub's answer.

        @param table: The name for which it was asked.
        """
        known = self.tables.setdefault(answer.table, WorkerTable(answer.table))
        known.isLost = False
        known.lineage, known.reshapedAt = answer.lineage, answer.reshapedAt
        self._resolve(table, answer.table)
        if not known.count and known.leaving is None and answer.table in self.tables:
            # The callers have gone meanwhile.
            self._leave(known)

    def failed(self, table: str, failure: Failure) -> None:
        """
        Take the hub's refusal.

        @param table: As for L{answered}.
        """
        self._resolve(table, failure)

    def _resolve(self, table: str, answer: str | Failure) -> None:
        self._asked.discard(table)
        for request in self._requests:
            if request.table == table:
                request.answer = answer
        self._answer()

    def refuse(self, error: RealtimeError) -> None:
        """
        Refuse all callers that wait, and end all grace periods.
        """
        while self._requests:
            self._requests.popleft().deferred.errback(error)
        for known in self.tables.values():
            self._stay(known)

    def leave(self, table: str) -> None:
        """
        Watch a table for one subscription less.

        @raise ValueError: It has none.
        """
        known = self.tables.get(table)
        if known is None or not known.count:
            raise ValueError(f"the table {table!r} is not watched")
        known.count -= 1
        if not known.count:
            self._leave(known)

    def _leave(self, known: WorkerTable) -> None:
        def leave() -> None:
            del self.tables[known.name]
            self._left(known.name)

        self._stay(known)
        known.leaving = self._clock.callLater(GRACE, leave)

    def _stay(self, known: WorkerTable) -> None:
        if known.leaving is not None and known.leaving.active():
            known.leaving.cancel()
        known.leaving = None

    def _answer(self) -> None:
        """Answer the callers at the head of the queue, as far as their answers are known."""
        if self._isAnswering:
            # A caller asks again from its callback; the loop below goes on.
            return
        self._isAnswering = True
        try:
            while self._requests and self._answerNext(self._requests[0]):
                pass
        finally:
            self._isAnswering = False

    def _answerNext(self, request: _Request) -> bool:
        answer = request.answer
        if isinstance(answer, Failure):
            self._requests.popleft()
            request.deferred.errback(answer)
            return True
        known = self.tables.get(request.table if answer is None else answer)
        if known is None or (answer is None and known.isLost):
            request.answer = None
            self._askHub(request.table)
            return False
        self._requests.popleft()
        self._stay(known)
        known.count += 1
        request.deferred.callback(known.name)
        return True
