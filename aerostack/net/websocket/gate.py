"""
Decides whether a client may connect, before the daemon looks at its credentials.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from aerostack.core.limits.admission import Admission
from aerostack.core.limits.draining import DrainPlan
from aerostack.core.limits.quotas import RETRY_AFTER, Quotas
from aerostack.errors import RealtimeError
from aerostack.net.websocket.connections import Connections
from aerostack.net.websocket.handshake import Opening
from aerostack.settings.addresses import Proxies
from aerostack.settings.limits import LimitsConfig


class Gate:
    """
    Decides whether a client may open a WebSocket.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: LimitsConfig,
        connections: Connections,
        quotas: Quotas,
        admission: Admission,
        drainPlan: DrainPlan,
        proxies: Proxies,
    ) -> None:
        self._limits = limits
        self._proxies = proxies
        self._clock = clock
        self._connections = connections
        self._quotas = quotas
        self._admission = admission
        self._drainPlan = drainPlan

    def reload(self, limits: LimitsConfig, proxies: Proxies) -> None:
        """
        Go by these limits, and trust these proxies, from now on.
        """
        self._limits = limits
        self._proxies = proxies

    def admit(self, request: Request, opening: Opening) -> str | None:
        """
        Make sure that one more client may connect.  All checks are cheap, because an overloaded
        daemon makes them very often.

        @return: The address under which the connection is counted; L{None} if it is not counted.
        @raise RealtimeError: C{shutting_down}, C{too_many_connections} or
            C{overloaded}.
        """
        here = len(self._connections)
        if self._connections.stopping:
            raise RealtimeError(
                "shutting_down",
                "The daemon is stopping; connect again.",
                self._drainPlan.latecomer(here),
            )
        if here >= self._limits.connections:
            raise RealtimeError(
                "too_many_connections",
                f"The daemon has at most {self._limits.connections} connections.",
                RETRY_AFTER,
            )
        # A Unix socket's address has no host.
        peer = getattr(request.getClientAddress(), "host", None)
        address = self._proxies.client(peer, opening.forwardedFor)
        self._quotas.checkAddress(address)
        # Last, because it counts the client: a client that is refused above is not counted.
        self._admission.check(self._clock.seconds())
        return address

    def checkProject(self, project: str) -> None:
        """
        Make sure that a project may have one connection more.

        @raise RealtimeError: C{too_many_connections}.
        """
        self._quotas.checkProject(project)
