"""
What the console stands on, put together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from aerostack.auth import Authenticator
from aerostack.core.presence import Presence
from aerostack.core.samples import Counts
from aerostack.core.traces import Traces
from aerostack.feeds import TableFeeds
from aerostack.hub import Hub
from aerostack.insight import Insight
from aerostack.net.admin import (
    ConnectionsResource,
    Door,
    ExplainResource,
    OverviewResource,
    TopicResource,
    TopicsResource,
    WatchResource,
)
from aerostack.net.api import healthBody
from aerostack.net.pages import consoleFiles
from aerostack.sampler import Sampler
from aerostack.session import Session
from aerostack.settings import LimitsConfig
from aerostack.watching import Watchers
from aerostack.why import Reasons

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
        console: str,
        authenticator: Authenticator,
        limits: LimitsConfig,
        hub: Hub,
        feeds: TableFeeds,
        presence: Presence,
        traces: Traces,
        sessions: Callable[[], Sequence[Session]],
        count: Callable[[], Counts],
        health: Callable[[], Mapping[str, str | None]],
        metrics: Callable[[], Mapping[str, float]],
    ) -> None:
        """
        @param console: From where it can be reached: C{server.console}.
        @param sessions: Gives all sessions, in order of opening.
        """
        super().__init__()
        self.door = Door(console, authenticator, clock, limits)
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self.watchers = Watchers(clock, hub, feeds)
        self.watchers.setServiceParent(self)
        self._insight = Insight(clock, hub, feeds, presence, self.watchers, sessions)
        self._reasons = Reasons(hub, feeds, traces, sessions, self._insight.feed)
        self.sampler = Sampler(clock, count, feeds.latencies, hub.latencies)
        self.sampler.setServiceParent(self)

    def resources(self) -> dict[str, Resource]:
        """
        Its page and what that asks, by path.
        """
        door, insight = self.door, self._insight

        def health() -> dict[str, Any]:
            return healthBody(self._health())

        return {
            **consoleFiles(door.check),
            f"{PATH}/overview": OverviewResource(
                door, insight, self.sampler, health, self._metrics, self._clock
            ),
            f"{PATH}/connections": ConnectionsResource(door, insight),
            f"{PATH}/topics": TopicsResource(door, insight),
            f"{PATH}/topic": TopicResource(door, insight),
            f"{PATH}/explain": ExplainResource(door, self._reasons),
            f"{PATH}/watch": WatchResource(door, self.watchers),
        }

    def load(self, console: str, limits: LimitsConfig) -> None:
        """
        Go on with other settings.
        """
        if console != self.door.console:
            # Who looks on from where it may not any more must not go on with it.
            self.watchers.endAll()
        self.door.console = console
        self.door.limits = limits
