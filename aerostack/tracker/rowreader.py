"""
Reads of a table's rows, with pauses after a read that another program's lock refused.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IDatabase, IJournal
from aerostack.tracker.retry import RetryState

UNREADABLE = 1.0
"""For how many seconds the daemon does not read the rows of a table again that another program
has locked.  The pause grows with each attempt."""

UNREADABLE_LONGEST = 5.0
"""The longest such pause, in seconds."""


class RowReader:
    """
    Reads rows of tables.
    """

    def __init__(self, clock: IReactorTime, database: IDatabase, journal: IJournal) -> None:
        self._clock = clock
        self._database = database
        self._journal = journal
        # Tables that another program has locked, so that their rows cannot be read.
        self._locked: dict[str, RetryState] = {}

    def read(self, table: str, selection: Selection, bounds: Bounds) -> Deferred[Snapshot]:
        """
        Read some rows of a table.

        @return: Fails with C{database_unavailable} while another program has the table locked.
        """

        def succeeded(snapshot: Snapshot) -> Snapshot:
            self._locked.pop(table, None)
            return snapshot

        def failed(failure: Failure) -> Failure:
            error = failure.value
            if isinstance(error, RealtimeError) and error.code == "database_unavailable":
                retry = self._locked.setdefault(table, RetryState(UNREADABLE, UNREADABLE_LONGEST))
                retry.failed(self._clock.seconds(), error.message)
            return failure

        now = self._clock.seconds()
        locked = self._locked.get(table)
        if locked is not None and not locked.allows(now):
            # Each attempt occupies a connection that reads of other tables need.
            assert locked.reason is not None
            wait = max(1, int(locked.left(now) * 1000))
            return fail(RealtimeError("database_unavailable", locked.reason, wait))
        reading = self._database.run(self._journal.snapshot, table, selection, bounds)
        return reading.addCallbacks(succeeded, failed)
