"""
Decides whether a client may connect, before the daemon looks at its credentials.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress

from aerostack.core.limits.draining import DrainPlan
from aerostack.core.limits.lag import LagLimit
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IPlace, IShares
from aerostack.net.websocket.connections import Connections
from aerostack.settings.addresses import Proxies


class Gate:
    """
    Decides whether a client may open a WebSocket.
    """

    def __init__(
        self,
        connections: Connections,
        shares: IShares,
        lag: LagLimit,
        drainPlan: DrainPlan,
        proxies: Proxies,
    ) -> None:
        self._proxies = proxies
        self._connections = connections
        self._shares = shares
        self._lag = lag
        self._drainPlan = drainPlan

    def reload(self, proxies: Proxies) -> None:
        """
        Trust these proxies from now on.
        """
        self._proxies = proxies

    def addressOf(self, peer: IAddress, forwardedFor: Sequence[str]) -> str | None:
        """
        The address under which a connection is counted; L{None} if it is not counted.

        @param peer: The other end of the connection.
        @param forwardedFor: The values of C{X-Forwarded-For}.
        """
        # A Unix socket's address has no host.
        return self._proxies.client(getattr(peer, "host", None), forwardedFor)

    def admit(self, address: str | None) -> IPlace | Deferred[IPlace]:
        """
        Take a place for one more client.  All checks are cheap, because an overloaded daemon makes
        them very often.

        @return: See L{IShares.admit}.
        @raise RealtimeError: C{shutting_down}, C{too_many_connections} or C{overloaded}.
        """
        self.checkOpen()
        self._lag.check()
        place: IPlace | Deferred[IPlace] = self._shares.admit(address)
        return place

    def checkOpen(self) -> None:
        """
        Make sure that the daemon is not stopping.

        @raise RealtimeError: C{shutting_down}.
        """
        if self._connections.stopping:
            raise RealtimeError(
                "shutting_down",
                "The daemon is stopping; connect again.",
                self._drainPlan.latecomer(len(self._connections)),
            )
