"""
What callers and operators learn when the database does not answer.
"""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.databases.dialect import Dialect
from aerostack.errors import RealtimeError
from aerostack.tracker.faults import known

T = TypeVar("T")


def orUnavailable(running: Deferred[T], what: str, dialect: Dialect, log: Logger) -> Deferred[T]:
    """
    Let an interaction with the database fail with an error for clients.

    @param what: What does not work then, as the beginning of a sentence.
    @param log: Gets the database's own words.
    @return: Fires with the result.  Fails with L{RealtimeError} C{database_unavailable}; an error
        that a later try would meet as well stays as it is.
    """

    def failed(failure: Failure) -> T:
        said = known(failure.value)
        if said is None:
            failure.trap(*dialect.passing)
        log.warn("{what}: {error}", what=what, error=failure.value)
        why = "" if said is None else f" The database {said}."
        raise RealtimeError("database_unavailable", f"{what}; try again.{why}", 1000)

    return running.addErrback(failed)
