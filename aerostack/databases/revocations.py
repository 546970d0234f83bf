"""
Keeps the revocations of tokens in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.access.removals import REASON_BYTES, Revocation, checkReason
from aerostack.core.access.revocations import ROOM
from aerostack.core.topics.topics import USER_LENGTH, checkUser
from aerostack.databases.dialect import Dialect
from aerostack.databases.unavailable import Availability
from aerostack.interfaces.revocations import IRevocationStore
from aerostack.interfaces.tracking import IDatabase

T = TypeVar("T")

_COLUMNS = "project, user_id, token_id, issued_before, until, reason"

DELETED = 500
"""How many revocations that have ended are deleted at once, so that no writer waits long."""


def insertRevocation(cursor: Any, dialect: Dialect, revocation: Revocation) -> None:
    """
    Keep a revocation.  One of the same tokens that is there already refuses what either refuses,
    for the longer of the two times.
    """
    table = dialect.revocations
    dialect.execute(
        cursor,
        f"INSERT INTO {table} AS r ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (project, user_id, token_id) DO UPDATE SET"
        " issued_before = CASE WHEN excluded.issued_before > r.issued_before"
        " THEN excluded.issued_before ELSE r.issued_before END,"
        " until = CASE WHEN excluded.until > r.until THEN excluded.until ELSE r.until END,"
        " reason = CASE WHEN excluded.issued_before >= r.issued_before"
        " THEN excluded.reason ELSE r.reason END",
        (
            revocation.project,
            revocation.userId,
            # A primary key cannot hold NULL.
            revocation.tokenId or "",
            revocation.before,
            revocation.until,
            revocation.reason,
        ),
    )


def selectRevocations(
    cursor: Any, dialect: Dialect, projects: Iterable[str], now: int
) -> tuple[list[Revocation], int]:
    """
    Read the revocations that have not ended.

    Another program may have filled the table.  So the texts are cut to one character more than a
    daemon writes, and rows that no daemon can have written are left out.

    @param projects: The ids of the projects.
    @param now: Milliseconds since the epoch.
    @return: The revocations of all projects, and how many rows were left out.
    """
    found: list[Revocation] = []
    strange = 0
    for project in projects:
        dialect.execute(
            cursor,
            f"SELECT project, substr(user_id, 1, {USER_LENGTH + 1}),"
            f" substr(token_id, 1, {USER_LENGTH + 1}), issued_before, until,"
            f" substr(reason, 1, {REASON_BYTES + 1}) FROM {dialect.revocations}"
            f" WHERE project = ? AND until > ? ORDER BY until DESC LIMIT {ROOM.entries}",
            (project, now),
        )
        for row in cursor.fetchall():
            revocation = _revocationOf(row)
            if revocation is None:
                strange += 1
            else:
                found.append(revocation)
    return found, strange


def deleteEnded(cursor: Any, dialect: Dialect, now: int) -> None:
    """
    Delete some of the revocations that have ended.

    @param now: Milliseconds since the epoch.
    """
    table = dialect.revocations
    key = "project, user_id, token_id"
    dialect.execute(
        cursor,
        f"DELETE FROM {table} WHERE ({key}) IN"
        f" (SELECT {key} FROM {table} WHERE until <= ? LIMIT {DELETED})",
        (now,),
    )


def _revocationOf(row: Sequence[Any]) -> Revocation | None:
    project, userId, tokenId, before, until, reason = row
    if not all(isinstance(text, str) for text in (project, userId, tokenId, reason)):
        return None
    if not all(isinstance(time, int) for time in (before, until)):
        return None
    try:
        checkUser(userId)
        if tokenId:
            checkUser(tokenId)
        checkReason(reason)
    except ValueError:
        return None
    return Revocation(project, userId, tokenId or None, before, until, reason)


@implementer(IRevocationStore)
class RevocationStore:
    """
    The revocations in the database.
    """

    log = Logger()

    def __init__(self, database: IDatabase, dialect: Dialect) -> None:
        self._database = database
        self._dialect = dialect
        self._availability = Availability(dialect, self.log)
        # How many strange rows the log has reported.
        self._strange = 0

    def keep(self, revocation: Revocation) -> Deferred[None]:
        return self._run(insertRevocation, "The revocation could not be kept", revocation)

    def read(self, projects: Iterable[str], now: int) -> Deferred[list[Revocation]]:
        return self._run(
            selectRevocations, "The revocations cannot be read", tuple(projects), now
        ).addCallback(self.check)

    def forget(self, now: int) -> Deferred[None]:
        return self._run(deleteEnded, "The revocations that have ended stay", now)

    def check(self, found: tuple[list[Revocation], int]) -> list[Revocation]:
        """
        Log that some rows are left out, once for each number of them.

        @param found: The result of L{selectRevocations}.
        @return: The revocations.
        """
        revocations, strange = found
        if strange > self._strange:
            self.log.warn(
                "{n} rows of {table} are left out, because no daemon wrote them",
                n=strange,
                table=self._dialect.revocations,
            )
        self._strange = strange
        return revocations

    def _run(self, interaction: Callable[..., T], what: str, *args: Any) -> Deferred[T]:
        running: Deferred[T] = self._database.run(interaction, self._dialect, *args)
        return self._availability.guard(running, what)
