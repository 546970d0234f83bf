"""
The columns of the followed tables, read once for all callers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from aerostack.core.rows.columns import Columns


class ColumnCache:
    """
    Remembers the columns of each table.
    """

    def __init__(self, read: Callable[[str], Deferred[Columns]]) -> None:
        """
        @param read: Reads the columns of a table.
        """
        self._read = read
        self._known: dict[str, Columns] = {}
        # The callers that wait for a read that is under way.
        self._asked: dict[str, list[Deferred[Columns]]] = {}

    def of(self, table: str) -> Deferred[Columns]:
        """
        Give a table's columns.

        @return: Fails as the read does.
        """
        if table in self._known:
            return succeed(self._known[table])
        answer: Deferred[Columns] = Deferred()
        waiting = self._asked.get(table)
        if waiting is not None:
            waiting.append(answer)
            return answer
        waiting = self._asked[table] = [answer]
        self._read(table).addCallbacks(
            partial(self._learn, table, waiting), partial(self._fail, table, waiting)
        )
        return answer

    def _learn(self, table: str, waiting: list[Deferred[Columns]], columns: Columns) -> None:
        if self._isAwaited(table, waiting):
            self._known[table] = columns
        for answer in waiting:
            answer.callback(columns)

    def _fail(self, table: str, waiting: list[Deferred[Columns]], failure: Failure) -> None:
        self._isAwaited(table, waiting)
        for answer in waiting:
            answer.errback(failure)

    def _isAwaited(self, table: str, waiting: list[Deferred[Columns]]) -> bool:
        """Whether an answer is still current."""
        if self._asked.get(table) is not waiting:
            return False
        del self._asked[table]
        return True

    def forget(self, tables: Iterable[str]) -> None:
        """
        Read the columns of some tables anew, because they may have changed.
        """
        for table in tables:
            self._known.pop(table, None)
            # A read that is under way may have begun before the change.
            self._asked.pop(table, None)
