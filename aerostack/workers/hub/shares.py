"""
What clients and projects share, for workers: the hub counts it for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from aerostack.core.limits.leases import Lender
from aerostack.delivery.slices import makeCooperator
from aerostack.interfaces.shares import IPlace
from aerostack.sessions.shares import Shares
from aerostack.settings.projects import ProjectConfig
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.shares import (
    AddSubscription,
    Admit,
    Borrow,
    Done,
    EndSubscription,
    Enter,
    Lent,
    NoteSubscription,
    Recall,
    Release,
    Return,
)

PIECE = 500
"""How much of what a lost worker had is given back in one step."""


class _Held:
    """
    What one worker has.

    @ivar places: Its places, by its numbers for them.
    @ivar subscriptions: How many subscriptions it has of each project.
    """

    __slots__ = ("places", "subscriptions")

    def __init__(self) -> None:
        self.places: dict[int, IPlace] = {}
        self.subscriptions: Counter[str] = Counter()


class WorkerShares:
    """
    Counts what workers have, and lends them the rates of projects.

    @ivar handlers: See L{aerostack.workers.hub}.
    @ivar lender: Lends the rates.
    """

    def __init__(
        self, clock: IReactorTime, shares: Shares, projects: Mapping[str, ProjectConfig]
    ) -> None:
        """
        @param shares: Counts for the whole machine.
        """
        self._clock = clock
        self._shares = shares
        self.lender: Lender[Link] = Lender(projects)
        self._links: dict[Link, _Held] = {}
        self._cooperator = makeCooperator(clock)
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Any]] = {
            Admit: self._admit,
            Enter: self._enter,
            Release: self._release,
            AddSubscription: self._addSubscription,
            NoteSubscription: self._noteSubscription,
            EndSubscription: self._endSubscription,
            Borrow: self._lend,
            Return: self._takeBack,
        }

    def reload(self, projects: Mapping[str, ProjectConfig]) -> None:
        """
        Lend by these rates from now on.
        """
        self.lender.reload(projects)

    def joined(self, link: Link) -> None:
        """
        Note that there is one more worker.
        """
        self._links[link] = _Held()

    def lost(self, link: Link) -> None:
        """
        Take back everything from a worker that is gone.
        """
        held = self._links.pop(link)
        self.lender.forget(link)
        self._cooperator.coiterate(self._giveBack(held))

    def _giveBack(self, held: _Held) -> Iterator[None]:
        for number, place in enumerate(held.places.values(), 1):
            place.leave()
            if not number % PIECE:
                yield
        for number, project in enumerate(held.subscriptions.elements(), 1):
            self._shares.unsubscribe(project)
            if not number % PIECE:
                yield

    # Places

    def _admit(self, link: Link, question: Admit) -> Done:
        self._links[link].places[question.place] = self._shares.admit(question.address)
        return Done()

    def _enter(self, link: Link, question: Enter) -> Done:
        # The worker may have given the place back meanwhile.
        place = self._links[link].places.get(question.place)
        if place is not None:
            place.enter(question.project)
        return Done()

    def _release(self, link: Link, message: Release) -> None:
        place = self._links[link].places.pop(message.place, None)
        if place is not None:
            place.leave()

    # Subscriptions

    def _addSubscription(self, link: Link, question: AddSubscription) -> Done:
        self._shares.subscribe(question.project)
        self._links[link].subscriptions[question.project] += 1
        return Done()

    def _noteSubscription(self, link: Link, message: NoteSubscription) -> None:
        # It exists, whatever the limit is by now.
        self._shares.subscriptions.add(message.project)
        self._links[link].subscriptions[message.project] += 1

    def _endSubscription(self, link: Link, message: EndSubscription) -> None:
        counts = self._links[link].subscriptions
        counts[message.project] -= 1
        if not counts[message.project]:
            del counts[message.project]
        self._shares.unsubscribe(message.project)

    # Rates

    def _lend(self, link: Link, question: Borrow) -> Lent:
        loan, others = self.lender.lend(
            question.project,
            link,
            question.edition,
            question.spent,
            question.wanted,
            len(self._links),
            self._clock.seconds(),
        )
        for other in others:
            other.send(Recall(question.project))
        return Lent(loan.edition, loan.tokens, loan.wait)

    def _takeBack(self, link: Link, message: Return) -> None:
        self.lender.giveBack(
            message.project,
            link,
            message.edition,
            message.spent,
            message.left,
            self._clock.seconds(),
        )
