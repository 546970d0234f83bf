"""
Which resource of the daemon answers at which path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request

from aerostack.auth.authenticator import Authenticator
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.shares import IShares
from aerostack.net.http.api import HistoryResource, RPCResource
from aerostack.net.http.files import clientFiles, homeFiles, sharedFiles
from aerostack.net.http.health import HealthResource
from aerostack.net.http.manual import Manual, ManualResource
from aerostack.net.http.measured import Measured
from aerostack.net.http.metrics import MetricsResource
from aerostack.net.http.requests import RefusalNotes
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


def shownDatabase(config: Config) -> str:
    """
    Name the database for the daemon's page, so that the page can show a line for a shell.

    The page is for every client.  So the path is shown where the examples are served, and only
    inside of the daemon's folder.

    @return: See L{homeFiles}.
    """
    path = config.database.path
    if path is None:
        return "postgresql"
    resolved, here = path.resolve(), Path.cwd()
    if not config.server.examples or not resolved.is_relative_to(here):
        return "sqlite"
    return str(resolved.relative_to(here))


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
        notes: RefusalNotes,
        checkConsole: Callable[[Request], None],
        more: Mapping[str, Resource],
    ) -> None:
        """
        @param opener: Opens the WebSockets of most clients.
        @param measure: Gives the numbers that C{/metrics} shows.
        @param notes: Takes notice of refused requests.
        @param checkConsole: Refuses a request that does not reach the console.
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
        manual = Manual.find()
        home = homeFiles(
            openProject(config),
            config.server.examples,
            manual.exists,
            shownDatabase(config),
            checkConsole,
        )
        self.root = makeTree(
            {
                **home,
                "docs": ManualResource(manual),
                **sharedFiles(),
                **clientFiles(),
                "api/realtime": RealtimeResource(opener),
                "api/v1/public/realtime/history": self._history,
                "internal/hooks/rpc": RPCResource(rpc, authenticator, clock, wall, shares),
                "health": HealthResource(health.health),
                "metrics": MetricsResource(measure, authenticator, clock, wall),
                **more,
            },
            notes,
        )

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self._history.reload(limits)
