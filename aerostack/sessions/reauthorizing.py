"""
Judging anew what clients may read, and taking back what they held, a little at a time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from twisted.internet.interfaces import IReactorTime

STEPS = 50
"""How many topics are judged in one turn of the reactor, of all clients together; or as many
steps of about the same cost are done."""


class Reauthorizing:
    """
    Carries out what clients have to be judged by, a topic at a time, and what is to be done when
    they have gone: at once, unless there is too much for one turn of the reactor.  The rest is
    done in the next ones, where each client has its turn, so that one with very many topics keeps
    nobody else waiting.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # By client, what is still to be done.
        self._waiting: dict[Hashable, Iterator[None]] = {}
        # How many topics may still be judged in this turn, and whether another one comes.
        self._left = STEPS
        self._scheduled = False

    def ask(self, client: Hashable, work: Iterator[None]) -> None:
        """
        Have a client judged.  What was still to be done for it is not done any more: the new
        work is about all of it.

        @param work: Each step judges one topic.  It raises nothing.
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
                # The others have their turn.
                self._waiting[client] = work
        if not self._scheduled and self._left < STEPS:
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self._left = STEPS
        self._go()
