"""
Checking again what clients may do, and taking back what they held, in small steps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from twisted.internet.interfaces import IDelayedCall, IReactorTime

STEPS = 50
"""How many steps all clients together get in one turn of the reactor.  One step checks one topic,
or costs about as much."""

PIECE = 20
"""How many subscriptions end in one step.  Together they cost as much as one check of a topic."""


class Reauthorizing:
    """
    Runs the work that checks the topics of clients again, and the work that follows when clients
    have gone.  It runs at once, as far as one turn of the reactor allows; the rest runs in the next
    turns.  Clients take turns step by step, so that a client with very many topics does not delay
    the others.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # By client, the rest of its work.
        self._waiting: dict[Hashable, Iterator[None]] = {}
        # How many steps are left in this turn, and the next turn, if it is scheduled.
        self._left = STEPS
        self._next: IDelayedCall | None = None
        self._stopped = False

    @property
    def isBusy(self) -> bool:
        """Whether the next turns have work to do."""
        return bool(self._waiting)

    def stop(self) -> None:
        """
        Drop the work that is left.  No further turns are taken.
        """
        self._stopped = True
        self._waiting.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def ask(self, client: Hashable, work: Iterator[None]) -> None:
        """
        Run work for a client.  It replaces the rest of the client's earlier work, because new work
        covers all topics of the client.

        @param work: Each step checks one topic.  It raises no error.
        """
        self._waiting.pop(client, None)
        self._waiting[client] = work
        self._go()

    def _go(self) -> None:
        while self._waiting and self._left:
            self._left -= 1
            client, work = next(iter(self._waiting.items()))
            del self._waiting[client]
            if next(work, self) is not self and client not in self._waiting:
                # The other clients have their turn first.
                self._waiting[client] = work
        if self._next is None and self._left < STEPS and not self._stopped:
            self._next = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._next = None
        self._left = STEPS
        self._go()
