"""
Connections beside those of the pools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from aerostack.databases.postgres.connection import cancelAll, openConnection, readPending, severAll


class SpareConnections:
    """
    Connections for interactions that briefly need a second one, beside that of their pool's
    thread: never more than there are such threads.
    """

    def __init__(self, options: Mapping[str, str], purpose: str) -> None:
        """
        @param options: The arguments of L{openConnection}, with C{purpose}.
        """
        self._options = options
        self._purpose = purpose
        self._idle: list[psycopg.Connection[Any]] = []
        self._lent: dict[int, psycopg.Connection[Any]] = {}

    @contextmanager
    def lend(self) -> Iterator[psycopg.Connection[Any]]:
        """
        Lend a connection for the time of a block, in autocommit mode.  After any error the
        connection is not lent again, because it may hold a lock.
        """
        connection = self._take()
        self._lent[id(connection)] = connection
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        finally:
            del self._lent[id(connection)]
        self._idle.append(connection)

    def _take(self) -> psycopg.Connection[Any]:
        while True:
            try:
                # Another thread may have taken the last one.
                connection = self._idle.pop()
            except IndexError:
                return openConnection(self._options, self._purpose)
            readPending(connection)
            if not connection.closed:
                return connection

    def start(self) -> None:
        """
        Nothing to do: connections are opened when they are needed.
        """

    def giveUp(self, seconds: float) -> None:
        """
        Nothing to do: the interactions that use the connections fail.
        """

    def sever(self) -> None:
        """
        See L{PostgresDatabase.sever}.
        """
        severAll(self._lent.values())

    def close(self) -> None:
        """
        Cancel the running statements, and close every connection.  The threads that use them must
        have ended.
        """
        cancelAll(self._lent.values())
        while self._idle:
            self._idle.pop().close()
