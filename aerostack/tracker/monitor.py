"""
The tracker's line to the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.errors import GivenUp
from aerostack.interfaces import IDatabase
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.faults import SILENT, describe
from aerostack.tracker.retry import RetryState

READING = 2.0
"""For how many seconds a read of the journal may take before that is told."""

WRITING = 6.0
"""For how many seconds other questions may take: they wait for locks, while which no one
else can change anything either."""


class MonitoredDatabase:
    """
    Asks the database, and notes whether it answers.  That it does not is told, once, and
    so is that it does again.

    @ivar outage: Whether it answers, as far as reading changes is concerned.
    @ivar answeredAt: When it last did, by the clock; L{None} if it never did.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        database: IDatabase,
        herald: ChangeDispatcher,
        pollInterval: float,
    ) -> None:
        self.outage = RetryState(pollInterval)
        self.answeredAt: float | None = None
        self._clock = clock
        self._database = database
        self._herald = herald

    async def ask(self, question: Callable[..., Any], *args: Any, patience: float = WRITING) -> Any:
        """
        Run something on the database.

        @param patience: After how many seconds without an answer something is wrong.
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
        if self.outage.reason is None:
            self.log.warn("The database does not answer.")
            self._fall(SILENT)

    def failed(self, error: Exception) -> None:
        """
        Note that changes cannot be read; the first time that is worth a traceback.
        """
        if isinstance(error, GivenUp):
            return
        if self.outage.reason in (None, SILENT):
            self.log.failure("Table changes cannot be read; trying again.", Failure(error))
        self._fall(describe(error))

    def _fall(self, reason: str) -> None:
        if self.outage.failed(self._clock.seconds(), reason):
            self._herald.down(f"The database {reason}; changes come late, none is lost.")

    def worked(self, sentence: str) -> None:
        """
        Note that nothing is wrong any more.

        @param sentence: Why, for the log.
        """
        if self.outage.worked():
            self.log.info(sentence)
            self._herald.up()
