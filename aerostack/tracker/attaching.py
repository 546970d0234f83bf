"""
Those who wait for tables to be followed, and their turns.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from aerostack.errors import GivenUp, RealtimeError
from aerostack.interfaces import IJournal
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.faults import describe
from aerostack.tracker.monitor import MonitoredDatabase
from aerostack.tracker.retry import RetryState
from aerostack.tracker.watched import WatchedTable, WatchedTables

QUESTIONS = 4
"""About how many tables the database is asked for between two reads of the journal, ..."""

SECONDS = 0.05
"""... and for about how long: changes have to be told soon, whatever clients ask."""

ANSWERS = 100
"""How many who wait are answered between two reads, also where nothing has to be asked."""

REMEMBERED = 1.0
"""For how many seconds a table that cannot be followed is not asked for again."""

MOST = 1000
"""How many such tables are remembered."""

LOCKED = 2.0
"""After how many seconds a table that others hold is tried again, ..."""

LOCKED_LONGEST = 30.0
"""... and after how many at the most: while we wait for the lock, writers wait behind us."""


@dataclass(eq=False)
class _Request:
    """
    A call of L{Attaching.ask} that waits for its turn.
    """

    table: str
    deferred: Deferred[str]


class Attaching:
    """
    Has tables followed, in the order in which somebody asked for them, and a few at a time.

    @ivar outage: Whether the database lets tables be followed.
    @ivar pause: For how many seconds to leave the database to others before the next table:
        for as long as the last ones took, and at the most L{SECONDS}.  Each table changes the
        schema, which the other programs of an SQLite database then read anew; a statement of
        theirs fails if the schema changes twice while they do.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        line: MonitoredDatabase,
        journal: IJournal,
        herald: ChangeDispatcher,
        interests: WatchedTables,
        columns: ColumnCache,
        pollInterval: float,
    ) -> None:
        self.outage = RetryState(pollInterval)
        self.pause = 0.0
        self._clock = clock
        self._line = line
        self._journal = journal
        self._herald = herald
        self._interests = interests
        self._columns = columns
        self._requests: deque[_Request] = deque()
        # By the name that was asked for, why a table cannot be followed, and until when that
        # holds.
        self._refused: dict[str, tuple[RealtimeError, float]] = {}
        # Tables that others hold, by the name in small letters: however a client writes it, there
        # is one lock.
        self._locked: dict[str, RetryState] = {}

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._requests)

    @property
    def isDue(self) -> bool:
        """Whether anybody waits who can be answered now."""
        return bool(self._requests) and self.outage.allows(self._clock.seconds())

    def ask(self, table: str) -> Deferred[str]:
        """
        Wait for a table to be followed.
        """

        def forget(_: Deferred[str]) -> None:
            self._requests.remove(request)

        request = _Request(table, Deferred(forget))
        self._requests.append(request)
        return request.deferred

    def refuse(self, error: RealtimeError) -> None:
        """
        Refuse all who wait.
        """
        while self._requests:
            self._requests.popleft().deferred.errback(error)

    def forget(self) -> None:
        """
        Ask for every table anew: the schema has changed.
        """
        self._refused.clear()

    async def answer(self) -> None:
        """
        Answer some of those who wait, in their order.

        A database that does not answer leaves them where they are.
        """
        self.pause = 0.0
        if not self.outage.allows(self._clock.seconds()):
            return
        try:
            await self._answerSome()
        except Exception as error:
            if self.outage.failed(self._clock.seconds(), describe(error)):
                self.log.failure("A table cannot be followed; trying again.")
        else:
            self.outage.worked()

    async def _answerSome(self) -> None:
        began = self._clock.seconds()
        asked = answered = 0
        while self._requests and answered < ANSWERS:
            request = self._requests[0]
            interest = self._interests.asked(request.table)
            answer: WatchedTable | RealtimeError | None = interest
            if interest is None or interest.lost:
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
        """Why a table cannot be followed, if that is known."""
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
            name: str = await self._line.ask(self._journal.attach, table)
            self._columns.forget([name])
            lineage: str = await self._line.ask(self._journal.lineage, name)
            reshaped: int = await self._line.ask(self._journal.reshapedAt, name)
        except GivenUp as error:
            return error
        except RealtimeError as error:
            now = self._clock.seconds()
            if error.code == "database_unavailable":
                # One attempt is for all who ask for it, and the next one comes the later.
                locked = self._locked.setdefault(table.lower(), RetryState(LOCKED, LOCKED_LONGEST))
                locked.failed(now, error.message)
                return _isLocked(table, locked.left(now))
            self._refused.pop(table, None)
            if len(self._refused) == MOST:
                del self._refused[next(iter(self._refused))]
            self._refused[table] = error, now + REMEMBERED
            return error
        self._locked.pop(table.lower(), None)
        interest = self._interests.add(table, name, lineage, reshaped)
        if interest.gone:
            # The others who watch it hear of it as well.
            interest.gone = False
            self._herald.back(interest.name)
        return interest

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
            # Who asked has gone meanwhile.
            self._interests.leave(answer, self._clock.seconds())


def _isLocked(table: str, seconds: float) -> RealtimeError:
    return RealtimeError(
        "database_unavailable",
        f"The table {table!r} is held by a long transaction of another program; try again in"
        f" {seconds:.0f} s.",
        retryAfter=max(1, int(seconds * 1000)),
    )
