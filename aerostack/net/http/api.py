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
from aerostack.core.replay.publications import Kept, StreamMark
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.shares import IShares
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import (
    BoundedRequest,
    headerOf,
    numberOf,
    queryOf,
    serverOf,
)
from aerostack.net.http.topics import TopicResource
from aerostack.sessions.rpc import RPC, Permit
from aerostack.settings.limits import LimitsConfig


class HistoryResource(TopicResource):
    """
    The kept messages of a topic, a page at a time.
    """

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
        super().__init__(authenticator, permit, clock, wall, limits, shares)
        self._pageSize = pageSize
        self._history = history

    def answer(self, request: BoundedRequest) -> Any:
        query = queryOf(request)
        topic = self.topicOf(request, query, "room", "chat/general")
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
                **({} if kept.message.key is None else {"key": kept.message.key}),
                **({"replaces": kept.message.replaces} if kept.message.isReplacing else {}),
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
        called: Deferred[Any] = self._rpc.callWithin(
            identity, body, headerOf(request, "traceparent")
        )
        return called.addCallback(lambda answer: (200, answer))
