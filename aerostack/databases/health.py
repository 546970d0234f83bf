"""
Whether a database works.
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
from aerostack.interfaces.tracking import IDatabase
from aerostack.tracker.faults import isLost


@dataclass(frozen=True)
class Trouble:
    """
    A fault of a database that answers.

    @ivar fault: The fault as clients may know it, in words that fit after C{the database}.
    @ivar details: The fault as a sentence for the log.
    """

    fault: str
    details: str


class RestoreNotice:
    """
    Remembers that an older state of the database, or a copy, took the place of the state that
    clients know.

    @ivar sentence: A sentence about it that clients may read; L{None} for nothing.
    """

    def __init__(self) -> None:
        self.sentence: str | None = None

    def note(self, sentence: str) -> None:
        """
        Note a sign.  The first one stays, because they all have the same consequences.
        """
        self.sentence = self.sentence or sentence


class DatabaseHealth(Service):
    """
    Knows whether the database works.
    """

    def fault(self) -> str | None:
        """
        @return: The fault, as a sentence; L{None} for no fault.
        """
        raise NotImplementedError


class DatabaseProbe(DatabaseHealth):
    """
    Asks a database at intervals whether it answers.

    @cvar interval: Seconds from one question to the next; there is never more than one.
    @cvar patience: After how many seconds without an answer the database counts as gone.
    @cvar limit: After how many seconds without an answer the daemon gives its connections up.
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
        @param database: The database, by a connection that no other object uses.
        @param ping: An interaction that every healthy database completes at once.  It returns a
            fault that it finds, or L{None}.
        @param sever: Fails all questions that wait for an answer.  A machine that hangs keeps its
            connections, although another machine may have taken its place.
        """
        self._clock = clock
        self._database = database
        self._ping = ping
        self._sever = sever
        # When the question was asked that has no answer yet.
        self._asked: float | None = None
        self._trouble: str | None = None
        # The message of the last failure, and whether all parts of the daemon meet it.
        self._said = ""
        self._isLost = False
        # The fault that the last answer gave.
        self._found: Trouble | None = None
        self._probing = LoopingCall(self._probe)
        self._probing.clock = clock

    def startService(self) -> None:
        super().startService()
        self._probing.start(self.interval)

    def stopService(self) -> None:
        super().stopService()
        if self._probing.running:
            self._probing.stop()

    def fault(self) -> str | None:
        if self._asked is not None:
            silent = self._clock.seconds() - self._asked
            if silent > self.patience:
                return f"The database has not answered for {silent:.0f} s."
        return self._trouble

    def _probe(self) -> None:
        if self._asked is None:
            self._asked = self._clock.seconds()
            self._database.run(self._ping).addCallbacks(self._answered, self._failed)
        elif self._clock.seconds() - self._asked >= self.limit:
            self.log.error("the database does not answer; its connections are given up")
            self._sever()

    def _answered(self, found: Trouble | None) -> None:
        self._asked = None
        if self._said and not self._isLost:
            self.log.info("the database answers again")
        self._isLost = False
        self._said = ""
        self._trouble = None if found is None else f"The database {found.fault}."
        if found is None and self._found is not None:
            self.log.info("this fault is over: {details}", details=self._found.details)
        elif found is not None and found != self._found:
            self.log.error("{details}", details=found.details)
        self._found = found

    def _failed(self, failure: Failure) -> None:
        self._asked = None
        said = " ".join(failure.getErrorMessage().split())
        self._isLost = isLost(failure.value)
        if said != self._said and not (self._isLost or failure.check(GivenUp)):
            self.log.error("the database does not answer: {error}", error=said)
        self._said = said
        # A driver's message may hold addresses and accounts.
        self._trouble = "The database does not answer; the log says why."
