"""
The differences between databases in the SQL of the daemon's own tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from aerostack.core.replay.publications import EmittedMark


@dataclass(frozen=True)
class Dialect:
    """
    The SQL of one database.

    @ivar mark: The placeholder for a parameter.
    @ivar messages: The name of the table of the messages.
    @ivar revocations: The name of the table of the revocations of tokens.
    @ivar answers: The name of the table of the answers that run.
    @ivar pieces: The name of the table of their texts.
    @ivar values: The name of the table of the newest values of keyed topics.
    @ivar versions: The name of the table of the schema versions.
    @ivar begin: The statement that begins a transaction.
    @ivar exclude: The statement after which no other daemon writes to the daemon's own tables
        until the transaction ends, where C{begin} does not do that.  It needs the table of the
        versions.
    @ivar before: Statements that make the schema for the tables.
    @ivar migrations: One entry a version, each a list of statements.  A released entry is never
        changed again: the next entry mends its faults.
    @ivar listing: A query for the names of those of the tables that exist.
    @ivar standing: A query for the version of a table of the messages whose version is not
        known; 0 for a table that is not the daemon's.  It is empty where the migrations can run
        again.
    @ivar after: Statements that drop the schema of the tables, if it is empty.
    @ivar finish: Statements that run at each start, when the tables exist.
    @ivar sharing: Statements that run at each start of a daemon that shares its topics with others,
        when the tables exist.
    @ivar passing: The errors after which trying again may help.
    @ivar refusing: The errors by which the database refuses one row and what is in it.
    @ivar insertMessages: Writes rows of the messages, with a cursor and the values of
        L{aerostack.databases.messagerows.COLUMNS} of each row; at most some thousand rows.
    @ivar selectRepeated: Reads the rows of some topics, publishers' ids and users, with a cursor.
        The other arguments are tuples, each of a topic, the publisher's id and the user or
        L{None}; the time, ms, since which rows are read; and how many rows of each tuple are read
        at most, the newest at first.
    @ivar takeEmitted: Deletes the rows of events that transactions emitted, with a cursor and the
        L{EmittedMark}s of at most some thousand, and gives the keys of those that were there.
    @ivar emitted: The name of the table of these events, with the column C{id}.
    @ivar emittedKey: Its column with the key of each row, which no other row has.
    @ivar together: Makes a context for a cursor, in which statements are sent together, up to the
        first whose rows are read.  An error of one of them is raised there, too.
    @ivar forbidden: Characters that a text cannot hold.
    """

    mark: str
    messages: str
    revocations: str
    answers: str
    pieces: str
    values: str
    versions: str
    begin: str
    before: Sequence[str]
    migrations: Sequence[Sequence[str]]
    listing: str
    after: Sequence[str]
    passing: tuple[type[Exception], ...]
    refusing: tuple[type[Exception], ...]
    insertMessages: Callable[[Any, Sequence[Sequence[Any]]], None]
    selectRepeated: Callable[[Any, Sequence[tuple[Any, ...]], int, int], list[tuple[Any, ...]]]
    emitted: str
    emittedKey: str
    takeEmitted: Callable[[Any, Sequence[EmittedMark]], set[str]]
    exclude: str = ""
    standing: str = ""
    finish: Sequence[str] = ()
    sharing: Sequence[str] = ()
    together: Callable[[Any], AbstractContextManager[Any]] = nullcontext
    forbidden: str = ""

    def execute(self, cursor: Any, sql: str, parameters: Sequence[Any] = ()) -> None:
        """
        Run a statement of the daemon.

        @param sql: The statement, with C{?} for each parameter and for nothing else.
        """
        if parameters:
            cursor.execute(sql.replace("?", self.mark), parameters)
        else:
            cursor.execute(sql)

    def executeMany(self, cursor: Any, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """
        Run a statement of the daemon once for each row of parameters.

        @param sql: See L{execute}.
        """
        cursor.executemany(sql.replace("?", self.mark), rows)

    def transact(self, cursor: Any) -> None:
        """
        Begin a transaction during which no other daemon writes.
        """
        cursor.execute(self.begin)
        self.shutOut(cursor)

    def shutOut(self, cursor: Any) -> None:
        """
        Let no other daemon write until the current transaction ends.
        """
        if self.exclude:
            cursor.execute(self.exclude)
