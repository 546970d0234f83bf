"""
What the SQL of the daemon's own tables differs in, from one database to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Dialect:
    """
    How one database speaks.

    @ivar mark: What stands for a parameter.
    @ivar messages: The table of the messages.
    @ivar versions: The table of the versions that the tables have had.
    @ivar begin: The statement that begins a transaction.
    @ivar exclude: The statement after which no other daemon writes to the daemon's own tables
        until the transaction ends, where C{begin} does not do that.  It needs the table of
        the versions.
    @ivar before: Statements that make what the tables are made in.
    @ivar migrations: One entry a version, each a list of statements.  An entry that was
        released is never changed again: what is wrong with it, the next one mends.
    @ivar listing: A query for the names of those of the tables that are there.
    @ivar after: Statements that take what the tables were made in away again, if nothing
        else is in it.
    @ivar finish: Statements that are run at each start, when the tables are there.
    @ivar passing: The errors after which trying again may help.
    @ivar forbidden: Characters that a text cannot hold.
    """

    mark: str
    messages: str
    versions: str
    begin: str
    before: Sequence[str]
    migrations: Sequence[Sequence[str]]
    listing: str
    after: Sequence[str]
    passing: tuple[type[Exception], ...]
    exclude: str = ""
    finish: Sequence[str] = ()
    forbidden: str = ""

    def execute(self, cursor: Any, sql: str, parameters: Sequence[Any] = ()) -> None:
        """
        Run a statement of ours.

        @param sql: The statement, with C{?} for each parameter and for nothing else.
        """
        if parameters:
            cursor.execute(sql.replace("?", self.mark), parameters)
        else:
            cursor.execute(sql)

    def transact(self, cursor: Any) -> None:
        """
        Begin a transaction, during which no other daemon writes.
        """
        cursor.execute(self.begin)
        self.shutOut(cursor)

    def shutOut(self, cursor: Any) -> None:
        """
        Have no other daemon write until the transaction ends that was begun.
        """
        if self.exclude:
            cursor.execute(self.exclude)
