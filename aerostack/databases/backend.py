"""
What a kind of database has to offer, and the connections to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Protocol

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.core.replay.publications import Kept
from aerostack.core.rows.selection import Bounds
from aerostack.databases.dialect import Dialect
from aerostack.databases.health import DatabaseHealth
from aerostack.databases.migrations import remove
from aerostack.databases.pool import PooledDatabase
from aerostack.interfaces import IJournal, IWaker
from aerostack.settings.settings import TrackerConfig

PATIENCE = 1.0
"""For how many seconds the end of the connections waits for what still runs on them."""


class Unusable(Exception):
    """
    The database cannot be used; the message says why.
    """


class Connections(Protocol):
    """
    Some connections to a database.
    """

    def start(self) -> None:
        """
        Begin.
        """

    def sever(self) -> None:
        """
        Fail what waits for an answer.
        """

    def giveUp(self, seconds: float) -> None:
        """
        Ask the database for so many seconds more, at the most.
        """

    def close(self) -> None:
        """
        Wait for what is running, and close every connection.
        """


@dataclass(frozen=True)
class Pools:
    """
    The connections to the database, by what they are for.

    @ivar history: For what is kept.
    @ivar tracker: For the journal; one connection.
    @ivar query: For C{db.query}, whose statements may take their time and must not keep
        a message from being kept.
    @ivar reads: For what clients begin with, which may take its time and must not delay
        the changes.
    @ivar pulse: For the heartbeat, where the database has one; one connection.
    @ivar spares: What the threads of C{reads} need besides, where they do.
    """

    history: PooledDatabase
    tracker: PooledDatabase
    query: PooledDatabase
    reads: PooledDatabase
    pulse: PooledDatabase | None = None
    spares: Connections | None = None

    def __iter__(self) -> Iterator[Connections]:
        made = (self.history, self.tracker, self.query, self.reads, self.pulse, self.spares)
        return (pool for pool in made if pool is not None)

    def calls(self) -> dict[str, Histogram]:
        """
        How long the calls of the database took, by what they were for.
        """
        pools = {
            "history": self.history,
            "tracker": self.tracker,
            "query": self.query,
            "reads": self.reads,
            "pulse": self.pulse,
        }
        return {kind: pool.calls for kind, pool in pools.items() if pool is not None}

    def start(self) -> None:
        """
        Begin.
        """
        for pool in self:
            pool.start()

    def sever(self) -> None:
        """
        Fail what waits for an answer.
        """
        for pool in self:
            pool.sever()

    def giveUp(self, seconds: float) -> None:
        """
        Ask the database for so many seconds more, at the most.  What is asked later fails; what
        runs then fails when it is severed.
        """
        for pool in self:
            pool.giveUp(seconds)

    def close(self) -> None:
        """
        Wait for what is running, and close every connection.  What is not done within L{PATIENCE}
        fails.
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

    @ivar name: What it is called where people read.
    @ivar dialect: How it speaks.
    """

    name: str
    dialect: Dialect

    @abstractmethod
    def prepare(self, since: int, limit: int, remember: Callable[[Kept], None]) -> int:
        """
        Bring the daemon's tables up to date.

        @param since: Messages kept before this time, ms, are not sent again any more.
        @param limit: How many such messages to read.
        @param remember: Gets each of them, oldest first.
        @return: The C{createdAt} of the newest message, 0 for none.
        @raise Unusable: That cannot be done.
        """

    @abstractmethod
    def pools(self, reactor: Any) -> Pools:
        """
        Make the connections, which are opened when they are needed.
        """

    @abstractmethod
    def journal(self, config: TrackerConfig) -> IJournal:
        """
        Make what records the changes of tables.
        """

    @abstractmethod
    def waker(self, reactor: Any) -> IWaker:
        """
        Make what notices changes between two looks at the journal.
        """

    @abstractmethod
    def watch(self, reactor: Any, pools: Pools) -> DatabaseHealth:
        """
        Make the service that knows whether the database is well.
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
        Take out again what the daemon has put in.

        @param keepHistory: Whether to leave the kept messages.
        @return: The names of what was taken out.
        @raise Unusable: That cannot be done.
        """

    def _removeWith(self, cursor: Any, keepHistory: bool) -> list[str]:
        names = self.journal(TrackerConfig()).remove(cursor)
        return names if keepHistory else [*names, *remove(cursor, self.dialect)]
