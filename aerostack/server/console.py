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

    @ivar door: Stands before it.
    @ivar sampler: Takes samples of what the daemon does.
    @ivar watchers: Who looks on at topics.
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
        condition: Health,
    ) -> None:
        """
        @param console: From where it can be reached: C{server.console}.
        @param sessions: Gives all sessions, in order of opening.
        """
        super().__init__()
        self.door = ConsoleAccess(console, authenticator, wall, limits)
        self._wall = wall
        self._condition = condition
        self.watchers = Taps(clock, hub, feeds)
        self.watchers.setServiceParent(self)
        self._insight = Directory(clock, hub, feeds, self.watchers, sessions)
        self._reasons = Diagnosis(hub, feeds, traces, sessions, self._insight)
        self.sampler = Sampler(clock, wall, condition.counts, feeds.latencies, hub.latencies)
        self.sampler.setServiceParent(self)

    def resources(self) -> dict[str, Resource]:
        """
        Its page and what that asks, by path.
        """
        door, insight, condition = self.door, self._insight, self._condition
        return {
            **consoleFiles(door.check),
            f"{PATH}/overview": OverviewResource(
                door, insight, self.sampler, condition.health, condition.metrics, self._wall
            ),
            f"{PATH}/connections": ConnectionsResource(door, insight),
            f"{PATH}/topics": TopicsResource(door, insight),
            f"{PATH}/topic": TopicResource(door, insight),
            f"{PATH}/explain": ExplainResource(door, self._reasons),
            f"{PATH}/watch": WatchResource(door, self.watchers),
        }

    def reload(self, console: str, limits: LimitsConfig) -> None:
        """
        Let operators in by these settings from now on.
        """
        if console != self.door.console:
            # Who looks on from where it may not any more must not go on with it.
            self.watchers.endAll()
        self.door.reload(console, limits)
