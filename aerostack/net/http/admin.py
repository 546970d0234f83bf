"""
The resources that the console asks, and the check of who may ask them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from aerostack import __version__
from aerostack.admin.gathering import Gathering
from aerostack.admin.taps import Tap, Taps
from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Identity
from aerostack.core.topics.topics import Topic, parseTopic
from aerostack.errors import RealtimeError
from aerostack.net.http.base import JSONResource, nothingHere
from aerostack.net.http.measured import Measured
from aerostack.net.http.metriclist import sampleName
from aerostack.net.http.requests import (
    BoundedRequest,
    isLocal,
    numberOf,
    operatorOf,
    queryOf,
)
from aerostack.settings.limits import LimitsConfig

LIMIT = 100
"""How many entries a page has if the request does not say."""

MOST = 500
"""How many entries a page has at the most."""


class ConsoleAccess:
    """
    Decides which requests reach the console.

    @ivar console: The setting C{server.console}.
    @ivar limits: The limits, of which those for topics hold here too.
    """

    def __init__(
        self,
        console: str,
        authenticator: Authenticator,
        wall: Callable[[], float],
        limits: LimitsConfig,
    ) -> None:
        self.console = console
        self.limits = limits
        self._authenticator = authenticator
        self._wall = wall

    def reload(self, console: str, limits: LimitsConfig) -> None:
        """
        Let operators in by these settings from now on.
        """
        self.console = console
        self.limits = limits

    def check(self, request: Request) -> None:
        """
        Make sure that a request from this address may reach the console.

        @raise RealtimeError: C{not_found} or C{forbidden}.
        """
        if self.console == "off":
            raise nothingHere()
        if self.console == "loopback" and not isLocal(request):
            raise RealtimeError(
                "forbidden",
                "The console is for this machine: ask through a listener that has local=1 in"
                ' server.listen, and by the name localhost; server.console = "everywhere" opens'
                " it to others.",
            )

    def enter(self, request: Request) -> Identity:
        """
        Make sure that a request may see everything of its project.

        @raise RealtimeError: As L{check}; C{unauthorized} or C{forbidden}.
        """
        self.check(request)
        return operatorOf(request, self._authenticator, self._wall(), "The console is")

    def topic(self, text: str | None, project: str) -> Topic:
        """
        Read a topic as a client names it.

        @raise RealtimeError: The topic is malformed, or belongs to another project.
        """
        if not text:
            raise RealtimeError("invalid_arguments", "Name the topic: ?topic=chat/general")
        return parseTopic(text, project, self._authenticator.projects, self.limits.topicLength)


class _ConsoleResource(JSONResource):
    """
    A resource of the console.  Subclasses override L{show}.
    """

    def __init__(self, access: ConsoleAccess) -> None:
        super().__init__()
        self.access = access

    def answer(self, request: BoundedRequest) -> Any:
        identity = self.access.enter(request)
        return self.show(request, identity, queryOf(request))

    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        """
        Answer a request that was allowed; see L{JSONResource.answer}.

        @param identity: The operator, who may see everything of the project.
        @param query: Its URL parameters.
        """
        raise NotImplementedError


class Reported(Protocol):
    """
    What the daemon says of its health.
    """

    def health(self) -> Mapping[str, Any]:
        """The answer of C{/health}."""

    def nodes(self) -> list[dict[str, Any]]:
        """What an operator sees of the nodes that share an engine; empty without one."""


class OverviewResource(_ConsoleResource):
    """
    The daemon's health and work, now and in the last minutes.
    """

    def __init__(
        self,
        access: ConsoleAccess,
        gathering: Gathering,
        health: Reported,
        measure: Callable[[], Measured | Deferred[Measured]],
        wall: Callable[[], float],
    ) -> None:
        """
        @param measure: Gives the numbers of C{/metrics}.
        """
        super().__init__(access)
        self._gathering = gathering
        self._health = health
        self._measure = measure
        self._wall = wall

    @inlineCallbacks
    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        since = numberOf(query, "since", 0)
        work = yield self._gathering.work(identity.project, since or 0)
        measured: Measured = yield maybeDeferred(self._measure)
        body = {
            "version": __version__,
            "project": identity.project,
            "now": int(self._wall() * 1000),
            "health": self._health.health(),
            "metrics": {sampleName(key): value for key, value in measured.values.items()},
            **work,
        }
        if measured.workers:
            body["workers"] = measured.workers
        if nodes := self._health.nodes():
            body["nodes"] = nodes
        return 200, body


class ConnectionsResource(_ConsoleResource):
    """
    The connections.
    """

    def __init__(self, access: ConsoleAccess, gathering: Gathering) -> None:
        super().__init__(access)
        self._gathering = gathering

    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        topic = self.access.topic(query["topic"], identity.project) if query.get("topic") else None
        found = self._gathering.connections(
            identity.project,
            query.get("user") or None,
            topic,
            _limit(query),
            query.get("after", ""),
        )
        return found.addCallback(_good)


class TopicsResource(_ConsoleResource):
    """
    The topics.
    """

    def __init__(self, access: ConsoleAccess, gathering: Gathering) -> None:
        super().__init__(access)
        self._gathering = gathering

    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        found = self._gathering.topics(
            identity.project, query.get("prefix", ""), _limit(query), query.get("after", "")
        )
        return found.addCallback(_good)


class TopicResource(_ConsoleResource):
    """
    One topic with its subscribers and members.
    """

    def __init__(self, access: ConsoleAccess, gathering: Gathering) -> None:
        super().__init__(access)
        self._gathering = gathering

    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        topic = self.access.topic(query.get("topic"), identity.project)
        return self._gathering.topic(topic).addCallback(_good)


class StreamsResource(_ConsoleResource):
    """
    The token streams that run.
    """

    def __init__(self, access: ConsoleAccess, gathering: Gathering) -> None:
        super().__init__(access)
        self._gathering = gathering

    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        return self._gathering.streams(identity.project).addCallback(_good)


class RefusalsResource(_ConsoleResource):
    """
    The requests that were refused.
    """

    def __init__(self, access: ConsoleAccess, gathering: Gathering) -> None:
        super().__init__(access)
        self._gathering = gathering

    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        return self._gathering.refusals(identity.project).addCallback(_good)


class ExplainResource(_ConsoleResource):
    """
    Explains why a publication did or did not reach a user.
    """

    def __init__(self, access: ConsoleAccess, gathering: Gathering) -> None:
        super().__init__(access)
        self._gathering = gathering

    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        user = query.get("user")
        if not user:
            raise RealtimeError("invalid_arguments", "Name the user: ?user=ann")
        topic = self.access.topic(query.get("topic"), identity.project)
        return self._gathering.explain(user, topic).addCallback(_good)


class WatchResource(_ConsoleResource):
    """
    Shows the frames of a topic, for as long as the client stays connected.
    """

    def __init__(self, access: ConsoleAccess, taps: Taps) -> None:
        super().__init__(access)
        self._taps = taps

    def show(self, request: BoundedRequest, identity: Identity, query: Mapping[str, str]) -> Any:
        topic = self.access.topic(query.get("topic"), identity.project)
        reader = _LineReader(request)
        if request.method == b"HEAD":
            reader.finish()
            return NOT_DONE_YET
        tap = Tap(identity, topic, reader)
        reader.pauseProducing, reader.resumeProducing = tap.pause, tap.resume
        request.notifyFinish().addBoth(lambda _: self._taps.leave(tap))
        return self._taps.open(tap).addCallback(lambda _: NOT_DONE_YET)


@implementer(IPushProducer)
class _LineReader:
    """
    A client that reads an answer line by line while it goes on.
    """

    pauseProducing: Callable[[], None]
    resumeProducing: Callable[[], None]

    def __init__(self, request: BoundedRequest) -> None:
        self._request = request
        self._begun = False

    def write(self, line: bytes) -> None:
        self._begin()
        self._request.write(line)

    def finish(self) -> None:
        """End the answer."""
        self._begin()
        self._request.unregisterProducer()
        self._request.finish()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._request.setHeader(b"content-type", b"application/x-ndjson")
            self._request.setHeader(b"cache-control", b"no-store")
            self._request.registerProducer(self, True)

    def stopProducing(self) -> None:
        """The client has disconnected.  The request reports that."""


def _limit(query: Mapping[str, str]) -> int:
    return min(numberOf(query, "limit", 1) or LIMIT, MOST)


def _good(body: Any) -> tuple[int, Any]:
    return 200, body
