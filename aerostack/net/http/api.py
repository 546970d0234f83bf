"""
The resources that applications ask: history and RPC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Action
from aerostack.core.replay.publications import Kept, StreamMark
from aerostack.core.topics.topics import parseTopic
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.shares import IShares
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import (
    BoundedRequest,
    callerOf,
    numberOf,
    queryOf,
    serverOf,
)
from aerostack.sessions.rpc import RPC, Permit
from aerostack.settings.limits import LimitsConfig


class HistoryResource(JSONResource):
    """
    The kept messages of a topic, a page at a time.
    """

    cors = True
    corsHeaders = (*JSONResource.corsHeaders, "x-aerostack-project")
    defaultLimit = 50

    def __init__(
        self,
        history: IKeptMessages,
        authenticator: Authenticator,
        permit: Permit,
        clock: IReactorTime,
        wall: Callable[[], float],
        limits: LimitsConfig,
        pageSize: int,
        shares: IShares,
    ) -> None:
        super().__init__()
        self._permit = permit
        self._shares = shares
        self._limits = limits
        self._pageSize = pageSize
        self._history = history
        self._authenticator = authenticator
        self._clock = clock
        self._wall = wall

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self._limits = limits

    def originAllowed(self, origin: str) -> bool:
        return self._authenticator.originAllowed(origin)

    def answer(self, request: BoundedRequest) -> Any:
        query = queryOf(request)
        room = query.get("room")
        if not room:
            raise RealtimeError("invalid_arguments", "Name the topic: ?room=chat/general")
        identity = callerOf(request, self._authenticator, self._wall(), room)
        self._shares.spend(identity.project, 0, self._clock.seconds())
        topic = parseTopic(
            room, identity.project, self._authenticator.projects, self._limits.topicLength
        )
        self._permit(identity, Action.SUBSCRIBE, topic)
        limit = numberOf(query, "limit", 1)
        limit = self.defaultLimit if limit is None else min(limit, self._pageSize)
        page = self._history.page(topic.canonical, limit, numberOf(query, "before", 0))
        return page.addCallback(_page)


def _page(messages: list[Kept]) -> tuple[int, Any]:
    return 200, {
        "messages": [
            {
                "id": kept.message.id,
                "room_id": kept.message.topic,
                "user_id": kept.message.userId,
                "event": kept.message.event,
                "data": Raw(kept.message.data),
                "created_at": kept.createdAt,
                **_endOf(kept.message.stream),
            }
            for kept in messages
        ]
    }


def _endOf(mark: StreamMark | None) -> dict[str, Any]:
    """What a message says beside its data if the daemon has written it at the end of a stream."""
    return {} if mark is None else {"stream": mark.stream, "state": mark.state}


class RPCResource(JSONResource):
    """
    The methods that servers call.
    """

    methods = ("POST",)

    def __init__(
        self,
        rpc: RPC,
        authenticator: Authenticator,
        clock: IReactorTime,
        wall: Callable[[], float],
        shares: IShares,
    ) -> None:
        super().__init__()
        self._shares = shares
        self._rpc = rpc
        self._authenticator = authenticator
        self._clock = clock
        self._wall = wall

    def answer(self, request: BoundedRequest) -> Any:
        identity = serverOf(request, self._authenticator, self._wall())
        body = request.content.read()
        self._shares.spend(identity.project, len(body), self._clock.seconds())
        called: Deferred[Any] = self._rpc.call(identity, body)
        return called.addCallback(lambda answer: (200, answer))
