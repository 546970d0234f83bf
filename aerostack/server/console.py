"""
What the console stands on, put together.
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
"""Under which path the console asks."""


class Console(MultiService):
    """
    Everything that is there for the console.

    @ivar access: Stands before it.
    @ivar sampler: Takes samples of what the daemon does.
    @ivar taps: Who looks on at topics.
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
        @param console: From where it can be reached: C{server.console}.
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
        Its page and what that asks, by path.
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
            # Who looks on from where it may not any more must not go on with it.
            self.taps.endAll()
        self.access.reload(console, limits)
