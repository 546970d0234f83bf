"""
How the reactor serves sockets.

Twisted asks the system for every socket that is ready, and serves all of them before it calls
timers and handles signals.  When a network breaks down, or a proxy restarts, every client's socket
is ready at once.  Twisted also sets a context for its old log before it serves a socket, which
takes longer than most of what it does besides; the daemon's log names connections itself.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from aerostack.interfaces.turns import ITurns

MOST = 150
"""How many sockets are served in one turn.  Each takes some 12 microseconds to be read from, and 30
to be closed: the intake bounds the work on the bytes that clients have sent."""


class _Turns:
    """
    Serves the sockets of a reactor.
    """

    _log = Logger()

    def __init__(self, reactor: Any, poller: select.epoll) -> None:
        self._poll = poller.poll
        self._callLater = reactor.callLater
        # The two that Twisted's own C{doIteration} uses.
        self._selectables: dict[int, Any] = reactor._selectables
        self._serve: Callable[[Any, int, int], None] = reactor._doReadOrWrite
        self._isServing = False
        self._ends: list[Callable[[], object]] = []

    def doIteration(self, timeout: float | None) -> None:
        """
        Wait until sockets are ready, and serve at most L{MOST} of them.  The system names the
        others first the next time.

        @param timeout: For how many seconds to wait at the most; L{None} for any time.
        """
        ready = self._poll(timeout, MOST)
        self._isServing = True
        try:
            for descriptor, events in ready:
                # An earlier one of them may have closed it.
                selectable = self._selectables.get(descriptor)
                if selectable is not None:
                    self._try(self._serve, selectable, descriptor, events)
        finally:
            self._isServing = False
        if self._ends:
            ends, self._ends = self._ends, []
            for end in ends:
                self._try(end)

    def _try(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function; if it fails, the reactor goes on all the same."""
        try:
            function(*arguments)
        except Exception:
            self._log.failure("the turn of the reactor goes on after an error", Failure())

    def callAtTurnEnd(self, function: Callable[[], object]) -> None:
        """
        See L{ITurns.callAtTurnEnd}.
        """
        if self._isServing:
            self._ends.append(function)
        else:
            self._callLater(0, function)


def boundPolling(reactor: Any) -> None:
    """
    Let a reactor serve no more than L{MOST} sockets in one turn, and provide L{ITurns}.

    @param reactor: A reactor that does not use epoll is left as it is: it is not meant for many
        clients.
    """
    poller = getattr(reactor, "_poller", None)
    if isinstance(poller, select.epoll):
        turns = _Turns(reactor, poller)
        reactor.doIteration = turns.doIteration
        reactor.callAtTurnEnd = turns.callAtTurnEnd
        alsoProvides(reactor, ITurns)
