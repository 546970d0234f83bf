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
from aerostack.databases.migrations import remove
from aerostack.databases.pool import PooledDatabase
from aerostack.interfaces.tracking import IJournal, IWaker
from aerostack.settings.settings import TrackerConfig

T = TypeVar("T")

PATIENCE = 1.0
"""For how many seconds L{Pools.close} waits for running interactions."""


class Unusable(Exception):
    """
    The database cannot be used; the message gives the reason.
    """


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
    @ivar spares: More connections for the threads of C{reads}, where they need some.
    """

    history: PooledDatabase
    tracker: PooledDatabase
    query: PooledDatabase
    reads: PooledDatabase
    probe: PooledDatabase | None = None
    spares: Connections | None = None

    def __iter__(self) -> Iterator[Connections]:
        made = (self.history, self.tracker, self.query, self.reads, self.probe, self.spares)
        return (pool for pool in made if pool is not None)

    def calls(self) -> dict[str, Histogram]:
        """
        How long the calls of the database took, by the purpose of the connection.
        """
        pools = {
            "history": self.history,
            "tracker": self.tracker,
            "query": self.query,
            "reads": self.reads,
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
        @raise Unusable: The tables cannot be brought up to date.
        """

    @abstractmethod
    def ask(self, question: Callable[..., T], *args: Any) -> T:
        """
        Call C{question(cursor, dialect, *args)} with a connection of its own.  This blocks.

        @return: What C{question} returned.
        @raise Unusable: The database cannot be asked.
        """

    @abstractmethod
    def identify(self) -> str:
        """
        Give what distinguishes the database from every other, for programs.  This blocks.

        @raise Unusable: The database cannot be asked.
        """

    @abstractmethod
    def pools(self, reactor: Any) -> Pools:
        """
        Make the connections.  They are opened when they are needed.
        """

    @abstractmethod
    def journal(self, config: TrackerConfig) -> IJournal:
        """
        Make the journal of table changes.
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
    def remove(self, keepHistory: bool) -> list[str]:
        """
        Remove everything that the daemon put into the database.

        @param keepHistory: Whether to leave the kept messages.
        @return: The names of what was removed.
        @raise Unusable: The database cannot be opened or changed.
        """

    def _removeWith(self, cursor: Any, keepHistory: bool) -> list[str]:
        names = self.journal(TrackerConfig()).remove(cursor)
        return names if keepHistory else [*names, *remove(cursor, self.dialect)]
