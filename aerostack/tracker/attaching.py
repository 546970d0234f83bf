"""
Callers that wait until the tracker follows a table, and the order of their turns.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from aerostack.errors import GivenUp, RealtimeError
from aerostack.interfaces.tracking import IJournal
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.faults import NewerJournal, describe
from aerostack.tracker.monitor import MonitoredDatabase
from aerostack.tracker.retry import RetryState
from aerostack.tracker.watched import WatchedTable, WatchedTables

QUESTIONS = 4
"""About how many tables the daemon attaches between two reads of the journal."""

SECONDS = 0.05
"""About for how many seconds the daemon attaches tables between two reads of the journal: changes
must be delivered soon, whatever clients ask for."""

ANSWERS = 100
"""How many callers are answered between two reads, also where the database need not be asked."""

REMEMBERED = 1.0
"""For how many seconds the daemon does not try again to follow a table that cannot be followed."""

REMEMBERED_TABLES = 1000
"""How many such tables are remembered."""

LOCKED = 2.0
"""After how many seconds a table that another program has locked is tried again at first."""

LOCKED_LONGEST = 30.0
"""The longest pause between two such attempts, in seconds: while the daemon waits for the lock,
writers wait behind it."""


@dataclass(eq=False)
class _Request:
    """
    A call of L{Attaching.ask} that waits for its turn.
    """

    table: str
    deferred: Deferred[str]


class Attaching:
    """
    Starts to follow tables, in the order of the calls, and a few at a time.

    @ivar retry: Whether the database lets tables be followed.
    @ivar pause: For how many seconds to leave the database to other programs before the next
        table: for as long as the last ones took, and for at most L{SECONDS}.  Each table changes
        the schema, and the other programs of an SQLite database then read the schema anew.  Their
        statement fails if the schema changes twice during that.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        monitored: MonitoredDatabase,
        journal: IJournal,
        dispatcher: ChangeDispatcher,
        watched: WatchedTables,
        columns: ColumnCache,
        pollInterval: float,
    ) -> None:
        self.retry = RetryState(pollInterval)
        self.pause = 0.0
        self._clock = clock
        self._monitored = monitored
        self._journal = journal
        self._dispatcher = dispatcher
        self._watched = watched
        self._columns = columns
        self._requests: deque[_Request] = deque()
        # Keyed by the name that was asked for: why a table cannot be followed, and until when
        # that holds.
        self._refused: dict[str, tuple[RealtimeError, float]] = {}
        # Tables that other programs have locked, by the name in lower case: there is one lock,
        # however a client spells the name.
        self._locked: dict[str, RetryState] = {}

    def __bool__(self) -> bool:
        """Whether a caller waits."""
        return bool(self._requests)

    @property
    def isDue(self) -> bool:
        """Whether a caller waits that can be answered now."""
        return bool(self._requests) and self.retry.allows(self._clock.seconds())

    def ask(self, table: str) -> Deferred[str]:
        """
        Follow a table, in its turn.

        @return: Fires with the journal's name of the table; fails with a L{RealtimeError}.
        """

        def forget(_: Deferred[str]) -> None:
            self._requests.remove(request)

        request = _Request(table, Deferred(forget))
        self._requests.append(request)
        return request.deferred

    def refuse(self, error: RealtimeError) -> None:
        """
        Refuse all callers that wait.
        """
        while self._requests:
            self._requests.popleft().deferred.errback(error)

    def forget(self) -> None:
        """
        Ask the database anew for every table, because the schema has changed.
        """
        self._refused.clear()

    async def answer(self) -> None:
        """
        Answer some of the callers, in their order.

        If the database does not answer, they stay where they are.
        """
        self.pause = 0.0
        if not self.retry.allows(self._clock.seconds()):
            return
        try:
            await self._answerSome()
        except NewerJournal:
            # No table can be followed at all.
            raise
        except Exception as error:
            # The callers still wait, and are answered after a pause.
            if self.retry.failed(self._clock.seconds(), describe(error)):
                self.log.failure("A table cannot be followed; trying again.")
        else:
            self.retry.worked()

    async def _answerSome(self) -> None:
        began = self._clock.seconds()
        asked = answered = 0
        while self._requests and answered < ANSWERS:
            request = self._requests[0]
            watchedTable = self._watched.asked(request.table)
            answer: WatchedTable | RealtimeError | None = watchedTable
            if watchedTable is None or watchedTable.lost:
                answer = self._remembered(request.table)
            if answer is None:
                if asked == QUESTIONS or (asked and self._clock.seconds() - began > SECONDS):
                    return
                asked += 1
                answer = await self._attach(request.table)
                self.pause = min(self._clock.seconds() - began, SECONDS)
            answered += 1
            self._answer(request, answer)

    def _remembered(self, table: str) -> RealtimeError | None:
        """Why a table cannot be followed, if a recent attempt showed that."""
        now = self._clock.seconds()
        error, until = self._refused.get(table, (None, 0.0))
        if error is not None and now < until:
            return error
        locked = self._locked.get(table.lower())
        return None if locked is None or locked.allows(now) else _isLocked(table, locked.left(now))

    async def _attach(self, table: str) -> WatchedTable | RealtimeError:
        """
        @return: The table, or why it cannot be followed.
        """
        try:
            name: str = await self._monitored.ask(self._journal.attach, table)
            self._columns.forget([name])
            lineage: str = await self._monitored.ask(self._journal.lineage, name)
            reshaped: int = await self._monitored.ask(self._journal.reshapedAt, name)
        except GivenUp as error:
            return error
        except RealtimeError as error:
            now = self._clock.seconds()
            if error.code == "database_unavailable":
                # All callers share one attempt, and each failure makes the pause longer.
                locked = self._locked.setdefault(table.lower(), RetryState(LOCKED, LOCKED_LONGEST))
                locked.failed(now, error.message)
                return _isLocked(table, locked.left(now))
            self._refused.pop(table, None)
            if len(self._refused) == REMEMBERED_TABLES:
                del self._refused[next(iter(self._refused))]
            self._refused[table] = error, now + REMEMBERED
            return error
        self._locked.pop(table.lower(), None)
        watchedTable = self._watched.add(table, name, lineage, reshaped)
        if watchedTable.gone:
            # The others that watch the table hear of it as well.
            watchedTable.gone = False
            self._dispatcher.back(watchedTable.name)
        return watchedTable

    def _answer(self, request: _Request, answer: WatchedTable | RealtimeError) -> None:
        asked = bool(self._requests) and self._requests[0] is request
        if asked:
            self._requests.popleft()
        if isinstance(answer, RealtimeError):
            if asked:
                request.deferred.errback(answer)
            return
        if asked:
            answer.count += 1
            answer.leaving = None
            request.deferred.callback(answer.name)
        elif not answer.count:
            # The caller has gone meanwhile.
            self._watched.leave(answer, self._clock.seconds())


def _isLocked(table: str, seconds: float) -> RealtimeError:
    return RealtimeError(
        "database_unavailable",
        f"The table {table!r} is held by a long transaction of another program; try again in"
        f" {seconds:.0f} s.",
        retryAfter=max(1, int(seconds * 1000)),
    )
