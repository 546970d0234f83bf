"""
What the console is told, and who may have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from aerostack import __version__
from aerostack.auth import Authenticator
from aerostack.core.permissions import Identity
from aerostack.core.topics import Topic, parseTopic
from aerostack.errors import RealtimeError
from aerostack.insight import Insight
from aerostack.net.http import (
    BoundedRequest,
    JSONResource,
    isLocal,
    numberOf,
    operatorOf,
    queryOf,
)
from aerostack.sampler import Sampler
from aerostack.settings import LimitsConfig

LIMIT = 100
"""How many entries a page has, where it is not said."""

MOST = 500
"""How many it has at the most."""


class Door:
    """
    Stands before the console.

    @ivar console: From where it can be reached: C{server.console}.
    @ivar limits: Those of topics hold here too.
    """

    def __init__(
        self,
        console: str,
        authenticator: Authenticator,
        clock: IReactorTime,
        limits: LimitsConfig,
    ) -> None:
        self.console = console
        self.limits = limits
        self._authenticator = authenticator
        self._clock = clock

    def check(self, request: Request) -> None:
        """
        Make sure that the console can be reached from where a request comes.

        @raise RealtimeError: C{not_found} or C{forbidden}.
        """
        if self.console == "off":
            raise RealtimeError("not_found", "Nothing is served under this path.")
        if self.console == "loopback" and not isLocal(request):
            raise RealtimeError(
                "forbidden",
                "The console is for this machine, and through no proxy; server.console ="
                ' "everywhere" opens it to others.',
            )

    def enter(self, request: Request) -> Identity:
        """
        Make sure that a request may know all of its project.

        @raise RealtimeError: As L{check}; C{unauthorized} or C{forbidden}.
        """
        self.check(request)
        return operatorOf(request, self._authenticator, self._clock.seconds(), "The console is")

    def topic(self, text: str | None, project: str) -> Topic:
        """
        Read a topic as a client names it.

        @raise RealtimeError: It is none of the project's.
        """
        if not text:
            raise RealtimeError("invalid_arguments", "Name the topic: ?topic=chat/general")
        return parseTopic(text, project, self._authenticator.projects, self.limits.topicLength)


class _ConsoleResource(JSONResource):
    """
    Something that the console asks for.  Subclasses override L{tell}.
    """

    def __init__(self, door: Door) -> None:
        super().__init__()
        self.door = door

    def answer(self, request: BoundedRequest) -> Any:
        identity = self.door.enter(request)
        return self.tell(request, identity.project, queryOf(request))

    def tell(self, request: BoundedRequest, project: str, query: Mapping[str, str]) -> Any:
        """
        Answer a request that may be answered; see L{JSONResource.answer}.

        @param project: Of which it may know.
        @param query: Its URL parameters.
        """
        raise NotImplementedError


class OverviewResource(_ConsoleResource):
    """
    How the daemon does, now and lately.
    """

    def __init__(
        self,
        door: Door,
        insight: Insight,
        sampler: Sampler,
        health: Callable[[], Mapping[str, Any]],
        metrics: Callable[[], Mapping[str, float]],
        clock: IReactorTime,
    ) -> None:
        """
        @param health: What C{/health} says.
        @param metrics: What C{/metrics} says.
        """
        super().__init__(door)
        self._insight = insight
        self._sampler = sampler
        self._health = health
        self._metrics = metrics
        self._clock = clock

    def tell(self, request: BoundedRequest, project: str, query: Mapping[str, str]) -> Any:
        since = numberOf(query, "since", 0)
        return 200, {
            "version": __version__,
            "project": project,
            "now": int(self._clock.seconds() * 1000),
            "started": int(self._sampler.started * 1000),
            "health": self._health(),
            "metrics": self._metrics(),
            "feed": self._insight.feed(project),
            "samples": self._sampler.samples.since(since or 0),
        }


class ConnectionsResource(_ConsoleResource):
    """
    Who is connected.
    """

    def __init__(self, door: Door, insight: Insight) -> None:
        super().__init__(door)
        self._insight = insight

    def tell(self, request: BoundedRequest, project: str, query: Mapping[str, str]) -> Any:
        topic = self.door.topic(query["topic"], project) if query.get("topic") else None
        found = self._insight.connections(
            project, query.get("user") or None, topic, _limit(query), query.get("after", "")
        )
        return found.addCallback(_good)


class TopicsResource(_ConsoleResource):
    """
    Which topics there are.
    """

    def __init__(self, door: Door, insight: Insight) -> None:
        super().__init__(door)
        self._insight = insight

    def tell(self, request: BoundedRequest, project: str, query: Mapping[str, str]) -> Any:
        found = self._insight.topics(
            project, query.get("prefix", ""), _limit(query), query.get("after", "")
        )
        return found.addCallback(_good)


class TopicResource(_ConsoleResource):
    """
    One topic, and who is there.
    """

    def __init__(self, door: Door, insight: Insight) -> None:
        super().__init__(door)
        self._insight = insight

    def tell(self, request: BoundedRequest, project: str, query: Mapping[str, str]) -> Any:
        return 200, self._insight.topic(self.door.topic(query.get("topic"), project))


def _limit(query: Mapping[str, str]) -> int:
    return min(numberOf(query, "limit", 1) or LIMIT, MOST)


def _good(body: Any) -> tuple[int, Any]:
    return 200, body
