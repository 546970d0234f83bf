"""
Whether a database is well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.errors import GivenUp
from aerostack.interfaces import IDatabase


@dataclass(frozen=True)
class Trouble:
    """
    What is wrong in a database that answers.

    @ivar fault: That, as far as anybody may know it, in words that fit after C{the database}.
    @ivar details: That, as a sentence for the log.
    """

    fault: str
    details: str


class DatabaseHealth(Service):
    """
    Knows whether the database is well.
    """

    def fault(self) -> str | None:
        """
        @return: What is wrong, as a sentence; L{None} for nothing.
        """
        raise NotImplementedError


class DatabaseProbe(DatabaseHealth):
    """
    Asks a database for a sign of life, steadily.

    @cvar interval: Seconds from one question to the next; there is never more than one.
    @cvar patience: After how many seconds without an answer the database counts as gone.
    @cvar limit: After how many seconds without an answer nobody waits for one any more.
    """

    log = Logger()
    interval = 2.0
    patience = 5.0
    limit = 15.0

    def __init__(
        self,
        clock: IReactorTime,
        database: IDatabase,
        ping: Callable[[Any], Trouble | None],
        sever: Callable[[], None],
    ) -> None:
        """
        @param database: The database, by a connection that nobody else uses.
        @param ping: An interaction that any database that is well carries out at once.  It
            gives what is wrong all the same, if anything is.
        @param sever: Fails whatever waits for an answer.  A machine that hangs keeps its
            connections, and somebody else may have taken its place by now.
        """
        self._clock = clock
        self._database = database
        self._ping = ping
        self._sever = sever
        # Since when an answer is awaited.
        self._asked: float | None = None
        self._trouble: str | None = None
        # What it failed with.
        self._said = ""
        # What was wrong although it answered.
        self._found: Trouble | None = None
        self._beating = LoopingCall(self._beat)
        self._beating.clock = clock

    def startService(self) -> None:
        super().startService()
        self._beating.start(self.interval)

    def stopService(self) -> None:
        super().stopService()
        if self._beating.running:
            self._beating.stop()

    def fault(self) -> str | None:
        if self._asked is not None:
            silent = self._clock.seconds() - self._asked
            if silent > self.patience:
                return f"The database has not answered for {silent:.0f} s."
        return self._trouble

    def _beat(self) -> None:
        if self._asked is None:
            self._asked = self._clock.seconds()
            self._database.run(self._ping).addCallbacks(self._answered, self._failed)
        elif self._clock.seconds() - self._asked >= self.limit:
            self.log.error("the database does not answer; its connections are given up")
            self._sever()

    def _answered(self, found: Trouble | None) -> None:
        self._asked = None
        if self._said:
            self.log.info("the database answers again")
        self._said = ""
        self._trouble = None if found is None else f"The database {found.fault}."
        if found is None and self._found is not None:
            self.log.info("that is over: {details}", details=self._found.details)
        elif found is not None and found != self._found:
            self.log.error("{details}", details=found.details)
        self._found = found

    def _failed(self, failure: Failure) -> None:
        self._asked = None
        said = " ".join(failure.getErrorMessage().split())
        if said != self._said and not failure.check(GivenUp):
            self.log.error("the database does not answer: {error}", error=said)
        self._said = said
        # What a driver says may hold addresses and accounts.
        self._trouble = "The database does not answer; the log says why."
