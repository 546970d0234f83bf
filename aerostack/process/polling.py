"""
How many sockets one turn of the reactor serves.

Twisted asks the system for every socket that is ready, and serves all of them before it calls
timers and handles signals.  When a network breaks down, or a proxy restarts, every client's socket
is ready at once.
"""

from __future__ import annotations

import select
from typing import Any

MOST = 500
"""How many sockets are served in one turn.  Each takes some 30 microseconds: the intake bounds the
work on the bytes that clients have sent."""


class _Poller:
    """
    Stands in for the reactor's epoll, and names fewer sockets at once.  The system names the
    others first the next time.
    """

    def __init__(self, poller: select.epoll) -> None:
        self._poller = poller
        # Each connection needs these several times.
        self.register = poller.register
        self.modify = poller.modify
        self.unregister = poller.unregister

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        """
        Wait until sockets are ready.

        @return: Pairs of a file descriptor and its events, at most L{MOST} of them.
        """
        return self._poller.poll(timeout, min(most, MOST))


def boundPolling(reactor: Any) -> None:
    """
    Let a reactor serve no more than L{MOST} sockets in one turn.

    @param reactor: A reactor that does not use epoll is left as it is: it is not meant for many
        clients.
    """
    poller = getattr(reactor, "_poller", None)
    if isinstance(poller, select.epoll):
        reactor._poller = _Poller(poller)
