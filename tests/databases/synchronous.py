"""
Databases whose interactions run at once, for tests.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from aerostack.core.replay.publications import Kept
from aerostack.databases.postgres.connection import conninfoOf, openConnection
from tests.postgres import Database


def optionsOf(database: Database, **more: str) -> dict[str, str]:
    """
    Give the options to connect to a database.
    """
    return {**conninfoOf(database.url).options, **more}


def forget(kept: Kept) -> None:
    """
    Take no note of a message that an earlier run left.
    """


class SynchronousPostgres:
    """
    A real PostgreSQL database whose interactions run at once, on the caller's thread.
    """

    def __init__(self, database: Database) -> None:
        self.connection = openConnection(optionsOf(database), "test", ours=False)

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        with closing(self.connection.cursor()) as cursor:
            try:
                return succeed(interaction(cursor, *args))
            except Exception as error:
                if not self.connection.closed:
                    self.connection.rollback()
                return fail(error)

    def close(self) -> None:
        """
        Close the connection.
        """
        self.connection.close()


class SlowDatabase:
    """
    A database that runs interactions when the test says so.

    @ivar waiting: The interactions that wait, in order.
    """

    def __init__(self, database: Any) -> None:
        self._database = database
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        result: Deferred[Any] = Deferred()
        self.waiting.append((result, interaction, args))
        return result

    def step(self) -> None:
        """
        Run the first one.
        """
        result, interaction, args = self.waiting.pop(0)
        self._database.run(interaction, *args).chainDeferred(result)


class LosingDatabase:
    """
    A database whose connection breaks at a commit, before or after its effect, or at the statement
    that writes.

    @ivar loses: What happens to the next transaction, whose answer does not come: C{committed} or
        C{undone}, or C{cut} if its rows are not even written; L{None} for no break.
    @ivar isAway: Whether it cannot be connected to.
    """

    def __init__(self, database: Any) -> None:
        self._database = database
        self.loses: str | None = None
        self.isAway = False

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if self.isAway:
            return fail(ConnectionError("there is no connection"))
        return self._database.run(lambda cursor: interaction(LosingCursor(cursor, self), *args))


class LosingCursor:
    """
    A cursor of a L{LosingDatabase}.
    """

    def __init__(self, cursor: Any, database: LosingDatabase) -> None:
        self._cursor = cursor
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        at = "INSERT" if self._database.loses == "cut" else "COMMIT"
        if statement.startswith(at) and self._database.loses is not None:
            lost, self._database.loses = self._database.loses, None
            self._cursor.execute("COMMIT" if lost == "committed" else "ROLLBACK")
            raise ConnectionError("the connection is gone")
        return self._cursor.execute(statement, *parameters)
