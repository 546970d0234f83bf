"""
Questions to the database, and whether it answers them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.errors import GivenUp
from aerostack.interfaces.tracking import IDatabase
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.faults import LOST, SILENT, NewerJournal, describe, isLasting
from aerostack.tracker.retry import RetryState

READING = 2.0
"""After how many seconds without an answer a read of the journal counts as a fault."""

WRITING = 6.0
"""The same for other questions.  They wait for locks, and meanwhile other programs cannot change
anything either."""


class MonitoredDatabase:
    """
    Asks the database, and notes whether it answers.  The listener hears once when it stops
    answering, and once when it answers again.

    @ivar retry: Whether the database answers when changes are read.
    @ivar answeredAt: When it last answered, by the clock; L{None} if it never did.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        database: IDatabase,
        dispatcher: ChangeDispatcher,
        pollInterval: float,
    ) -> None:
        self.retry = RetryState(pollInterval)
        self.answeredAt: float | None = None
        self._clock = clock
        self._database = database
        self._dispatcher = dispatcher

    async def ask(self, question: Callable[..., Any], *args: Any, patience: float = WRITING) -> Any:
        """
        Run something on the database.

        @param patience: After how many seconds without an answer the database has a fault.
        """
        late = self._clock.callLater(patience, self._silent)
        try:
            answer = await self._database.run(question, *args)
        finally:
            if late.active():
                late.cancel()
        self.answeredAt = self._clock.seconds()
        return answer

    def _silent(self) -> None:
        if self.retry.reason is None:
            self.log.warn("The database does not answer.")
            self._fall(SILENT)

    def failed(self, error: Exception) -> None:
        """
        Note that changes cannot be read.  The log has the first failure, unless the database is
        lost: that is said once for all parts of the daemon.
        """
        if isinstance(error, GivenUp):
            return
        if self.retry.reason in (None, SILENT) and not isinstance(error, NewerJournal):
            self.log.failure("Table changes cannot be read; trying again.", Failure(error))
        self._fall(describe(error), isLasting(error))

    def _fall(self, reason: str, lasting: bool = False) -> None:
        if self.retry.failed(self._clock.seconds(), reason):
            effect = "no changes come" if lasting else "changes come late, none is lost"
            self._dispatcher.down(f"The database {reason}; {effect}.")

    def worked(self, sentence: str) -> None:
        """
        Note that the fault is over.

        @param sentence: The reason, for the log.
        """
        wasLost = self.retry.reason in LOST
        if self.retry.worked():
            if not wasLost:
                self.log.info(sentence)
            self._dispatcher.up()
