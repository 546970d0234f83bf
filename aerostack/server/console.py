"""
Puts the parts of the console together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.application.service import MultiService
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from aerostack.admin.diagnosis import Diagnosis
from aerostack.admin.directory import Directory
from aerostack.admin.sampler import Sampler
from aerostack.admin.taps import Taps
from aerostack.auth.authenticator import Authenticator
from aerostack.core.diagnosis.traces import Traces
from aerostack.hub.hub import Hub
from aerostack.net.http.admin import (
    ConnectionsResource,
    ConsoleAccess,
    ExplainResource,
    OverviewResource,
    TopicResource,
    TopicsResource,
    WatchResource,
)
from aerostack.net.http.files import consoleFiles
from aerostack.server.health import Health
from aerostack.sessions.session import Session
from aerostack.settings.limits import LimitsConfig
from aerostack.tables.feed import TableFeed

PATH = "internal/admin"
"""The path under which the console sends its requests."""


class Console(MultiService):
    """
    The resources of the console, and the services behind them.

    @ivar access: Decides which requests reach the console.
    @ivar sampler: Takes samples of the daemon's work.
    @ivar taps: The taps on topics.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        console: str,
        authenticator: Authenticator,
        limits: LimitsConfig,
        hub: Hub,
        feeds: TableFeed,
        traces: Traces,
        sessions: Callable[[], Sequence[Session]],
        health: Health,
    ) -> None:
        """
        @param console: The setting C{server.console}: which clients reach the console.
        @param sessions: Gives all sessions, in order of opening.
        """
        super().__init__()
        self.access = ConsoleAccess(console, authenticator, wall, limits)
        self._wall = wall
        self._health = health
        self.taps = Taps(clock, hub, feeds)
        self.taps.setServiceParent(self)
        self._directory = Directory(clock, hub, feeds, self.taps, sessions)
        self._diagnosis = Diagnosis(hub, feeds, traces, sessions, self._directory)
        self.sampler = Sampler(clock, wall, health.counts, feeds.latencies, hub.publisher.latencies)
        self.sampler.setServiceParent(self)

    def resources(self) -> dict[str, Resource]:
        """
        The console's page, and the resources that the page asks, by path.
        """
        access, directory, health = self.access, self._directory, self._health
        return {
            **consoleFiles(access.check),
            f"{PATH}/overview": OverviewResource(
                access, directory, self.sampler, health.health, health.metrics, self._wall
            ),
            f"{PATH}/connections": ConnectionsResource(access, directory),
            f"{PATH}/topics": TopicsResource(access, directory),
            f"{PATH}/topic": TopicResource(access, directory),
            f"{PATH}/explain": ExplainResource(access, self._diagnosis),
            f"{PATH}/watch": WatchResource(access, self.taps),
        }

    def reload(self, console: str, limits: LimitsConfig) -> None:
        """
        Let operators in by these settings from now on.
        """
        if console != self.access.console:
            # The new setting may not allow the clients that have taps now.
            self.taps.endAll()
        self.access.reload(console, limits)
