"""
The base of the resources that applications ask for what a topic has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Action
from aerostack.core.topics.topics import Topic, parseTopic
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IShares
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import BoundedRequest, callerOf
from aerostack.sessions.rpc import Permit
from aerostack.settings.limits import LimitsConfig


class TopicResource(JSONResource):
    """
    Tells clients that may subscribe to a topic what the topic has.
    """

    cors = True
    corsHeaders = (*JSONResource.corsHeaders, "x-aerostack-project")

    def __init__(
        self,
        authenticator: Authenticator,
        permit: Permit,
        clock: IReactorTime,
        wall: Callable[[], float],
        limits: LimitsConfig,
        shares: IShares,
    ) -> None:
        super().__init__()
        self._authenticator = authenticator
        self._permit = permit
        self._clock = clock
        self._wall = wall
        self._limits = limits
        self._shares = shares

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self._limits = limits

    def originAllowed(self, origin: str) -> bool:
        return self._authenticator.originAllowed(origin)

    def topicOf(
        self, request: BoundedRequest, query: Mapping[str, str], parameter: str, example: str
    ) -> Topic:
        """
        Find the topic that a request names.

        @param parameter: The parameter of the URL that has the topic.
        @param example: A topic, for the error.
        @raise RealtimeError: C{invalid_arguments}: there is none; or the client may not ask now.
        """
        name = query.get(parameter)
        if not name:
            raise RealtimeError("invalid_arguments", f"Name the topic: ?{parameter}={example}")
        identity = callerOf(request, self._authenticator, self._wall(), name)
        self._shares.spend(identity.project, 0, self._clock.seconds())
        topic = parseTopic(
            name, identity.project, self._authenticator.projects, self._limits.topicLength
        )
        self._permit(identity, Action.SUBSCRIBE, topic)
        return topic
