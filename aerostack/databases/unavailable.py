"""
What callers and operators learn when the database does not answer.
"""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from aerostack.databases.dialect import Dialect
from aerostack.errors import RealtimeError
from aerostack.tracker.faults import isLost, known

T = TypeVar("T")


class Availability:
    """
    Lets interactions with the database fail with an error for clients.

    Each client may meet the same fault.  The log has one line when a fault begins and one when it
    is over.
    """

    def __init__(self, dialect: Dialect, log: Logger) -> None:
        """
        @param log: Gets the database's own words.
        """
        self._dialect = dialect
        self._log = log
        # By what does not work: the fault that the log has.
        self._faults: dict[str, str] = {}

    def guard(self, running: Deferred[T], what: str) -> Deferred[T]:
        """
        Let an interaction fail with an error for clients.

        @param what: What does not work then, as the beginning of a sentence; one of a few.
        @return: Fires with the result.  Fails with L{RealtimeError} C{database_unavailable}; an
            error that a later try would meet as well stays as it is.
        """

        def worked(result: T) -> T:
            if self._faults.pop(what, None) is not None:
                self._log.info("this is over: {what}", what=what)
            return result

        def failed(failure: Failure) -> Failure:
            error = failure.value
            said = known(error)
            if said is None and not failure.check(*self._dialect.passing):
                return failure
            # That the database is lost is said once for all parts of the daemon.
            isNew = not isLost(error) and self._faults.get(what) != (said or str(error))
            if isNew:
                self._faults[what] = said or str(error)
            level = LogLevel.warn if isNew else LogLevel.debug
            self._log.emit(level, "{what}: {error}", what=what, error=error)
            why = "" if said is None else f" The database {said}."
            raise RealtimeError("database_unavailable", f"{what}; try again.{why}", 1000)

        return running.addCallbacks(worked, failed)
