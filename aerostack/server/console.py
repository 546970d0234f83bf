"""
Puts the parts of the console together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from aerostack.admin.diagnosis import Diagnosis
from aerostack.admin.directory import Directory
from aerostack.admin.gathering import Gathering
from aerostack.admin.sampler import Sampler
from aerostack.admin.taps import Taps
from aerostack.auth.authenticator import Authenticator
from aerostack.core.diagnosis.traces import Traces
from aerostack.hub.hub import Hub
from aerostack.interfaces.operating import IProcesses
from aerostack.interfaces.refusals import IRefusals
from aerostack.net.http.admin import (
    ConnectionsResource,
    ConsoleAccess,
    ExplainResource,
    OverviewResource,
    RefusalsResource,
    StreamsResource,
    TopicResource,
    TopicsResource,
    WatchResource,
)
from aerostack.net.http.files import consoleFiles
from aerostack.net.http.measured import Measured
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
        measure: Callable[[], Measured | Deferred[Measured]],
        processes: IProcesses,
        refusals: IRefusals,
    ) -> None:
        """
        @param console: The setting C{server.console}: which clients reach the console.
        @param sessions: Gives all sessions, in order of opening.
        @param measure: Gives the numbers of C{/metrics}.
        @param processes: Asks every process of the daemon.
        """
        super().__init__()
        self.access = ConsoleAccess(console, authenticator, wall, limits)
        self._wall = wall
        self._health = health
        self._measure = measure
        self.taps = Taps(clock, hub, feeds)
        self.taps.setServiceParent(self)
        directory = Directory(clock, hub, feeds, self.taps, sessions)
        diagnosis = Diagnosis(hub, feeds, traces, sessions, directory)
        self.sampler = Sampler(clock, wall, health.counts, feeds.latencies, hub.publisher.latencies)
        self.sampler.setServiceParent(self)
        self._gathering = Gathering(processes, directory, diagnosis, self.sampler, refusals, wall)

    def resources(self) -> dict[str, Resource]:
        """
        The console's page, and the resources that the page asks, by path.
        """
        access, gathering = self.access, self._gathering
        return {
            **consoleFiles(access.check),
            f"{PATH}/overview": OverviewResource(
                access, gathering, self._health, self._measure, self._wall
            ),
            f"{PATH}/connections": ConnectionsResource(access, gathering),
            f"{PATH}/topics": TopicsResource(access, gathering),
            f"{PATH}/topic": TopicResource(access, gathering),
            f"{PATH}/streams": StreamsResource(access, gathering),
            f"{PATH}/refusals": RefusalsResource(access, gathering),
            f"{PATH}/explain": ExplainResource(access, gathering),
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
