"""
The columns of watched tables, as far as the feed knows them.
"""

from __future__ import annotations

from typing import NoReturn

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.rows.columns import Columns
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IChangeTracker

_log = Logger()


class KnownColumns:
    """
    The columns of tables, once a client asked for them or the tracker brought them.
    """

    def __init__(self, tracker: IChangeTracker) -> None:
        """
        @param tracker: Reads the columns of a table.
        """
        self._tracker = tracker
        self._known: dict[str, Columns] = {}

    def get(self, table: str) -> Columns | None:
        """
        The columns of a table; L{None} if they are not known.
        """
        return self._known.get(table)

    def ask(self, table: str) -> Deferred[Columns]:
        """
        Ask the database for the columns of a watched table.

        @return: Fires with them.  Fails with L{RealtimeError} if the table does not exist any more,
            or if the database does not answer.
        """
        before = self._known.get(table)

        def learned(columns: Columns) -> Columns:
            if self._known.get(table) is before:
                self._known[table] = columns
            # Otherwise the table was altered after the question.
            return self._known[table]

        answer: Deferred[Columns] = self._tracker.columns(table)
        return answer.addCallbacks(learned, _unavailable)

    def replace(self, table: str, columns: Columns) -> Columns | None:
        """
        Take over the columns of a table that was altered.

        @return: The columns before; L{None} if they were not known.
        """
        before = self._known.get(table)
        self._known[table] = columns
        return before


def _unavailable(failure: Failure) -> NoReturn:
    if isinstance(failure.value, RealtimeError):
        raise failure.value
    _log.failure("a table's columns cannot be read", failure)
    raise RealtimeError(
        "database_unavailable", "What columns the table has cannot be read now; try again.", 1000
    )
