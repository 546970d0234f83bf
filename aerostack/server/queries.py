"""
The statements that servers run by C{db.query}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.rows.selection import Bounds
from aerostack.databases.backend import Backend
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IDatabase
from aerostack.settings.limits import LimitsConfig


class Queries:
    """
    Runs statements within limits.
    """

    def __init__(
        self,
        backend: Backend,
        database: IDatabase,
        limits: LimitsConfig,
        written: Callable[[], object],
    ) -> None:
        """
        @param written: Is called after each statement, because it may have changed rows.
        """
        self._backend = backend
        self._database = database
        self._written = written
        self.reload(limits)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Run statements within these limits from now on.
        """
        self._bounds = Bounds(limits.queryRows, limits.queryBytes, limits.querySeconds)

    def run(self, sql: str, parameters: list[Any]) -> Deferred[dict[str, Any]]:
        """
        Run one statement.

        @return: Its result as JSON.  Fails with L{RealtimeError} C{database_unavailable} if
            the database does not answer.
        """

        def done(result: dict[str, Any]) -> dict[str, Any]:
            self._written()
            return result

        def failed(failure: Failure) -> Failure:
            if not failure.check(*self._backend.dialect.passing):
                return failure
            raise RealtimeError(
                "database_unavailable", "The database does not answer; try again.", 1000
            )

        ran: Deferred[dict[str, Any]] = self._database.run(
            self._backend.runQuery, sql, parameters, self._bounds
        )
        return ran.addCallbacks(done, failed)
