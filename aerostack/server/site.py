"""
Which resource of the daemon answers at which path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from aerostack.auth.authenticator import Authenticator
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.shares import IShares
from aerostack.net.http.api import HistoryResource, RPCResource
from aerostack.net.http.files import clientFiles, homeFiles, sharedFiles
from aerostack.net.http.health import HealthResource
from aerostack.net.http.metrics import Measured, MetricsResource
from aerostack.net.http.tree import makeTree
from aerostack.net.websocket.opener import Opener
from aerostack.net.websocket.resource import RealtimeResource
from aerostack.server.health import Health
from aerostack.sessions.rpc import RPC, Permit
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import Config


def openProject(config: Config) -> str:
    """
    Name the first project that needs no credential, for the pages that show the daemon.  The
    string is empty if there is no such project.
    """
    return next((p.id for p in config.projects.values() if p.anonymous), "")


class SiteMap:
    """
    The daemon's tree of resources.

    @ivar root: The resource that every listener serves.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        config: Config,
        authenticator: Authenticator,
        shares: IShares,
        opener: Opener,
        history: IKeptMessages,
        permit: Permit,
        rpc: RPC,
        health: Health,
        measure: Callable[[], Measured | Deferred[Measured]],
        more: Mapping[str, Resource],
    ) -> None:
        """
        @param opener: Opens the WebSockets of most clients.
        @param measure: Gives the numbers that C{/metrics} shows.
        @param more: Resources of the models, the console and the examples, by path.
        """
        self._history = HistoryResource(
            history,
            authenticator,
            permit,
            clock,
            wall,
            config.limits,
            config.history.pageSize,
            shares,
        )
        self.root = makeTree(
            {
                **homeFiles(openProject(config), config.server.examples),
                **sharedFiles(),
                **clientFiles(),
                "api/realtime": RealtimeResource(opener),
                "api/v1/public/realtime/history": self._history,
                "internal/hooks/rpc": RPCResource(rpc, authenticator, clock, wall, shares),
                "health": HealthResource(health.health),
                "metrics": MetricsResource(measure, authenticator, wall),
                **more,
            }
        )

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self._history.reload(limits)
