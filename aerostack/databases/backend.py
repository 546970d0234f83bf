"""
The interface of a kind of database, and the connections to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Protocol, TypeVar

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.core.replay.publications import Kept
from aerostack.core.rows.selection import Bounds
from aerostack.databases.dialect import Dialect
from aerostack.databases.health import DatabaseHealth, RestoreNotice
from aerostack.databases.holdings import Holding
from aerostack.databases.migrations import checkVersion, remove
from aerostack.databases.pool import PooledDatabase
from aerostack.interfaces.emitting import IEmittedEvents
from aerostack.interfaces.tracking import IJournal, IWaker
from aerostack.settings.settings import TrackerConfig
from aerostack.tracker.faults import NewerJournal

T = TypeVar("T")

PATIENCE = 1.0
"""For how many seconds L{Pools.close} waits for running interactions."""


class Unusable(Exception):
    """
    The database cannot be used; the message gives the reason.
    """


class Unready(Unusable):
    """
    The database cannot be used now, but perhaps soon, although an operator changes nothing.

    @ivar fault: The reason as clients may know it, in words that fit after C{the database}.
    """

    def __init__(self, message: str, fault: str) -> None:
        super().__init__(message)
        self.fault = fault


class Connections(Protocol):
    """
    Some connections to a database.
    """

    def start(self) -> None:
        """
        Start the connections.
        """

    def sever(self) -> None:
        """
        Fail the interactions that wait for an answer.
        """

    def giveUp(self, seconds: float) -> None:
        """
        Ask the database for at most so many more seconds.
        """

    def close(self) -> None:
        """
        Wait for the running interactions, and close every connection.
        """


@dataclass(frozen=True)
class Pools:
    """
    The connections to the database, by their purpose.

    @ivar history: For the kept messages.
    @ivar tracker: For the journal; one connection.
    @ivar query: For C{db.query}, whose statements may take long and must not delay the keeping of
        a message.
    @ivar reads: For rows and past changes that clients read, which may take long and must not
        delay new changes.
    @ivar probe: For the L{DatabaseProbe<aerostack.databases.health.DatabaseProbe>}, where the
        database has one; one connection.
    @ivar events: For the events that transactions emit; one connection.  L{None} if they may not
        emit any.
    @ivar spares: More connections for the threads of C{reads}, where they need some.
    """

    history: PooledDatabase
    tracker: PooledDatabase
    query: PooledDatabase
    reads: PooledDatabase
    events: PooledDatabase | None = None
    probe: PooledDatabase | None = None
    spares: Connections | None = None

    def __iter__(self) -> Iterator[Connections]:
        made = (self.history, self.tracker, self.query, self.reads)
        more = (self.events, self.probe, self.spares)
        return (pool for pool in (*made, *more) if pool is not None)

    def calls(self) -> dict[str, Histogram]:
        """
        How long the calls of the database took, by the purpose of the connection.
        """
        pools = {
            "history": self.history,
            "tracker": self.tracker,
            "query": self.query,
            "reads": self.reads,
            "events": self.events,
            "pulse": self.probe,
        }
        return {kind: pool.calls for kind, pool in pools.items() if pool is not None}

    def start(self) -> None:
        """
        Start all connections.
        """
        for pool in self:
            pool.start()

    def sever(self) -> None:
        """
        Fail the interactions that wait for an answer.
        """
        for pool in self:
            pool.sever()

    def giveUp(self, seconds: float) -> None:
        """
        Ask the database for at most so many more seconds.  Later interactions fail; running ones
        fail when they are severed.
        """
        for pool in self:
            pool.giveUp(seconds)

    def close(self) -> None:
        """
        Wait for the running interactions, and close every connection.  An interaction that takes
        longer than L{PATIENCE} fails.
        """
        self.giveUp(PATIENCE)
        closed = Event()

        def hurry() -> None:
            while not closed.wait(PATIENCE):
                self.sever()

        # The reactor's thread waits for the pools' threads meanwhile.
        Thread(target=hurry, daemon=True).start()
        try:
            for pool in self:
                pool.close()
        finally:
            closed.set()


class Backend(ABC):
    """
    A configured database.

    @ivar name: The database's name in messages for people.
    @ivar dialect: The SQL of the database.
    @ivar restored: Notes that the database was put back to an older state.
    """

    name: str
    dialect: Dialect

    def __init__(self) -> None:
        self.restored = RestoreNotice()

    @abstractmethod
    def prepare(
        self, since: int, limit: int, remember: Callable[[Kept], None], isShared: bool = False
    ) -> int:
        """
        Bring the daemon's tables up to date.

        @param since: Publishers do not send messages again that were kept before this time, ms.
        @param limit: How many such messages to read.
        @param remember: Receives each of them, oldest first.
        @param isShared: Whether the daemon shares its topics with others.
        @return: The C{createdAt} of the newest message; 0 without messages.
        @raise Unready: The database cannot be used yet.
        @raise Unusable: The tables cannot be brought up to date.
        """

    @abstractmethod
    def ask(self, question: Callable[..., T], *args: Any) -> T:
        """
        Call C{question(cursor, dialect, *args)} with a connection of its own.  This blocks.

        @return: What C{question} returned.
        @raise Unready: The database cannot be asked now.
        @raise Unusable: The database cannot be asked.
        """

    def look(self) -> NewerJournal | None:
        """
        Find out whether this version of the daemon may use the database, and change nothing.  This
        blocks.

        @return: Why it may follow no table; L{None} if it may.
        @raise Unready: The database cannot be asked now.
        @raise Unusable: The database cannot be asked, or has tables of a newer version.
        """

        def look(cursor: Any, dialect: Dialect) -> None:
            checkVersion(cursor, dialect)
            self.journal(TrackerConfig()).check(cursor)

        try:
            self.ask(look)
        except NewerJournal as error:
            return error
        return None

    @abstractmethod
    def identify(self) -> str:
        """
        Give what distinguishes the database from every other, for programs.  This blocks.

        @raise Unusable: The database cannot be asked.
        """

    @abstractmethod
    def pools(self, reactor: Any, emits: bool = False) -> Pools:
        """
        Make the connections.  They are opened when they are needed.

        @param emits: Whether transactions may emit events.
        """

    @abstractmethod
    def journal(self, config: TrackerConfig) -> IJournal:
        """
        Make the journal of table changes.
        """

    @abstractmethod
    def emitted(self) -> IEmittedEvents:
        """
        Make the object that reads the events which transactions emit.
        """

    @abstractmethod
    def waker(self, reactor: Any) -> IWaker:
        """
        Make the object that notices changes between two reads of the journal.
        """

    @abstractmethod
    def health(self, reactor: Any, pools: Pools) -> DatabaseHealth:
        """
        Make the service that knows whether the database works.
        """

    @abstractmethod
    def runQuery(
        self, cursor: Any, sql: str, parameters: list[Any], bounds: Bounds
    ) -> dict[str, Any]:
        """
        Run a statement of C{db.query}; see L{aerostack.databases.sqlite.query.runQuery}.
        """

    @abstractmethod
    def survey(self) -> list[Holding]:
        """
        Find everything that the daemon put into the database, and change nothing.  This blocks.

        @raise Unusable: The database cannot be asked.
        """

    def daemons(self) -> list[str]:
        """
        Find daemons that use the database now, where this can be seen.  This blocks.

        @return: A clause for each sign of one.
        @raise Unusable: The database cannot be asked.
        """
        return []

    @abstractmethod
    def remove(self, keepHistory: bool) -> list[str]:
        """
        Remove everything that the daemon put into the database.

        @param keepHistory: Whether to leave the kept messages.
        @return: The names of what was removed.
        @raise Unusable: The database cannot be opened or changed.
        """

    def _removeWith(self, cursor: Any, keepHistory: bool) -> list[str]:
        names = [*self.emitted().remove(cursor), *self.journal(TrackerConfig()).remove(cursor)]
        return names if keepHistory else [*names, *remove(cursor, self.dialect)]
