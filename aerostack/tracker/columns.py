"""
What columns the followed tables have, asked once for all who want to know.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from aerostack.core.rows.columns import Columns
from aerostack.interfaces import IDatabase, IJournal


class ColumnCache:
    """
    Remembers what the journal says of tables' columns.
    """

    def __init__(self, database: IDatabase, journal: IJournal) -> None:
        self._database = database
        self._journal = journal
        self._known: dict[str, Columns] = {}
        # Who waits for the answer to a question that is under way.
        self._asked: dict[str, list[Deferred[Columns]]] = {}

    def of(self, table: str) -> Deferred[Columns]:
        """
        Tell a table's columns.

        @return: Fails as L{IJournal.columns} does, and with whatever is wrong with the
            database.
        """
        if table in self._known:
            return succeed(self._known[table])
        answer: Deferred[Columns] = Deferred()
        waiting = self._asked.get(table)
        if waiting is not None:
            waiting.append(answer)
            return answer
        waiting = self._asked[table] = [answer]
        self._database.run(self._journal.columns, table).addCallbacks(
            self._learn, self._fail, (table, waiting), None, (table, waiting)
        )
        return answer

    def _learn(self, columns: Columns, table: str, waiting: list[Deferred[Columns]]) -> None:
        if self._isAwaited(table, waiting):
            self._known[table] = columns
        for answer in waiting:
            answer.callback(columns)

    def _fail(self, failure: Failure, table: str, waiting: list[Deferred[Columns]]) -> None:
        self._isAwaited(table, waiting)
        for answer in waiting:
            answer.errback(failure)

    def _isAwaited(self, table: str, waiting: list[Deferred[Columns]]) -> bool:
        """Whether an answer is not out of date yet."""
        if self._asked.get(table) is not waiting:
            return False
        del self._asked[table]
        return True

    def forget(self, tables: Iterable[str]) -> None:
        """
        Ask anew for the columns of some tables: they may be others than before.
        """
        for table in tables:
            self._known.pop(table, None)
            # What is under way may have been read before.
            self._asked.pop(table, None)
