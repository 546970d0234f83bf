"""
How many sockets one turn of the reactor serves.

Twisted asks the system for everything that is ready, and serves all of it before timers and
signals have their turn.  Where a network breaks down, or a proxy restarts, that is every client
at once.
"""

from __future__ import annotations

import select
from typing import Any

MOST = 500
"""How many sockets are served in one turn: what clients have sent is bounded by itself, and to
take note of it, or that a client is gone, takes some 30 microseconds each."""


class _Poller:
    """
    Stands in for the reactor's epoll, and names fewer sockets at once.  The system names the
    others first the next time.
    """

    def __init__(self, poller: select.epoll) -> None:
        self._poller = poller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        """
        Wait until sockets are ready.

        @return: Which, and for what; no more than L{MOST}.
        """
        return self._poller.poll(timeout, min(most, MOST))


def boundPolling(reactor: Any) -> None:
    """
    Let a reactor serve no more than L{MOST} sockets in one turn.

    @param reactor: One that does not use epoll is left as it is: it is not for many clients.
    """
    poller = getattr(reactor, "_poller", None)
    if isinstance(poller, select.epoll):
        reactor._poller = _Poller(poller)
