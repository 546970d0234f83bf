"""
What clients and projects share, at a worker: the hub counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.limits.leases import Borrower, Loan
from aerostack.core.limits.quotas import tooFast
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IPlace, IShares
from aerostack.settings.projects import ProjectConfig
from aerostack.workers.messages.shares import (
    AddSubscription,
    Admit,
    Borrow,
    EndSubscription,
    Enter,
    Lent,
    NoteSubscription,
    Recall,
    Release,
    Return,
)
from aerostack.workers.worker.asking import BoundedQuestions
from aerostack.workers.worker.links import HubLink

COST = 300
"""About how many bytes a question takes."""


@implementer(IShares)
class RemoteShares:
    """
    Asks the hub for places and subscriptions, and borrows the rates of projects from it.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(
        self, clock: IReactorTime, channel: HubLink, projects: Mapping[str, ProjectConfig]
    ) -> None:
        self._clock = clock
        self._channel = channel
        self._questions = BoundedQuestions(channel)
        self._projects = projects
        self._numbers = count(1)
        # By project, what was borrowed; L{None} for a project without a rate.
        self._borrowers: dict[str, Borrower | None] = {}
        # The projects for which the hub is asked again later.
        self._scheduled: set[str] = set()
        self.handlers: Mapping[type[Struct], Callable[[Any], None]] = {Recall: self._recalled}

    def reload(self, projects: Mapping[str, ProjectConfig]) -> None:
        """
        Go by the limits of these projects from now on.
        """
        self._projects = projects
        for project, borrower in self._borrowers.items():
            if borrower is not None:
                self._giveBack(project, borrower)
        self._borrowers.clear()

    # Places

    def admit(self, address: str | None) -> Deferred[IPlace]:
        number = next(self._numbers)
        asked = self._questions.ask(Admit(number, address), COST)
        return asked.addCallback(lambda _: RemotePlace(self._channel, self._enter, number))

    def _enter(self, place: int, project: str) -> Deferred[None]:
        # The hub answers in order: the project's tokens are here before the client sends a frame.
        borrower = self._borrowerOf(project)
        if borrower is not None:
            self._borrow(project, borrower, self._clock.seconds())
        return self._questions.ask(Enter(place, project), COST).addCallback(lambda _: None)

    # Subscriptions

    def subscribe(self, project: str) -> Deferred[None] | None:
        found = self._projects.get(project)
        if found is None or found.subscriptions is None:
            self._channel.send(NoteSubscription(project))
            return None
        return self._questions.ask(AddSubscription(project), COST).addCallback(lambda _: None)

    def unsubscribe(self, project: str) -> None:
        self._channel.send(EndSubscription(project))

    # Rates

    def spend(self, project: str, size: int, now: float) -> None:
        borrower = self._borrowerOf(project)
        if borrower is None:
            return
        wait = borrower.take(now, size)
        self._borrow(project, borrower, now)
        if wait:
            raise tooFast(f"All clients of the project {project} together", borrower, wait)

    def _borrowerOf(self, project: str) -> Borrower | None:
        if project not in self._borrowers:
            self._borrowers[project] = self._makeBorrower(project)
        return self._borrowers[project]

    def _makeBorrower(self, project: str) -> Borrower | None:
        found = self._projects.get(project)
        if found is None or (found.framesPerSecond is None and found.bytesPerSecond is None):
            return None
        return Borrower(found.framesPerSecond, found.bytesPerSecond)

    def _borrow(self, project: str, borrower: Borrower, now: float) -> None:
        """Ask the hub for tokens, if it is time to do so."""
        asked = borrower.ask(now)
        if asked is not None:
            self._questions.ask(Borrow(project, *asked), COST).addCallbacks(
                partial(self._lent, project, borrower), partial(self._notLent, borrower)
            )

    def _lent(self, project: str, borrower: Borrower, lent: Lent) -> None:
        now = self._clock.seconds()
        borrower.answered(Loan(lent.edition, lent.tokens, lent.wait), now)
        if self._borrowers.get(project) is not borrower:
            # There was a reload meanwhile.
            self._giveBack(project, borrower)
            return
        again = borrower.again(now)
        if again is not None and project not in self._scheduled:
            self._scheduled.add(project)
            self._clock.callLater(again, self._askAgain, project)

    def _notLent(self, borrower: Borrower, failure: Failure) -> None:
        failure.trap(RealtimeError)
        borrower.failed(self._clock.seconds())

    def _askAgain(self, project: str) -> None:
        self._scheduled.discard(project)
        borrower = self._borrowers.get(project)
        if borrower is not None:
            self._borrow(project, borrower, self._clock.seconds())

    def _recalled(self, message: Recall) -> None:
        borrower = self._borrowers.get(message.project)
        if borrower is not None:
            self._giveBack(message.project, borrower)

    def _giveBack(self, project: str, borrower: Borrower) -> None:
        self._channel.send(Return(project, *borrower.giveBack()))


@implementer(IPlace)
class RemotePlace:
    """
    The place of one connection.
    """

    __slots__ = ("_channel", "_enter", "_number")

    def __init__(
        self, channel: HubLink, enter: Callable[[int, str], Deferred[None]], number: int
    ) -> None:
        """
        @param enter: Counts the place of a number to a project.
        @param number: The place's number.
        """
        # L{None} once the place was given back.
        self._channel: HubLink | None = channel
        self._enter = enter
        self._number = number

    def enter(self, project: str) -> Deferred[None] | None:
        if self._channel is None:
            return None
        return self._enter(self._number, project)

    def leave(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.send(Release(self._number))
