"""
The resource that applications ask for the values of a keyed topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator
from aerostack.core.keyed.values import Value
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.errors import RealtimeError
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.interfaces.shares import IShares
from aerostack.net.http.requests import BoundedRequest, numberOf, queryOf
from aerostack.net.http.topics import TopicResource
from aerostack.sessions.rpc import Permit
from aerostack.settings.limits import LimitsConfig

MOST = 1000
"""How many values a page has at the most."""

MOST_BYTES = 1_048_576
"""About how many bytes of values a page has at the most."""


class StateResource(TopicResource):
    """
    The values of a keyed topic, a page at a time.
    """

    def __init__(
        self,
        values: IKeyedValues,
        policyOf: Callable[[str], KeyedPolicy | None],
        authenticator: Authenticator,
        permit: Permit,
        clock: IReactorTime,
        wall: Callable[[], float],
        limits: LimitsConfig,
        shares: IShares,
    ) -> None:
        """
        @param policyOf: Gives what holds for the values of a canonical topic.
        """
        super().__init__(authenticator, permit, clock, wall, limits, shares)
        self._values = values
        self._policyOf = policyOf

    def answer(self, request: BoundedRequest) -> Any:
        query = queryOf(request)
        topic = self.topicOf(request, query, "topic", "state/board")
        canonical = topic.canonical
        if self._policyOf(canonical) is None:
            raise RealtimeError("invalid_arguments", f"The topic {topic.path} is not keyed.")
        limit = min(numberOf(query, "limit", 1) or MOST, MOST)
        after = numberOf(query, "after", 0) or 0
        page: Deferred[Any] = self._values.page(canonical, after, limit, MOST_BYTES)
        return page.addCallback(lambda values: (200, _body(canonical, values)))


def _body(topic: str, values: list[Value]) -> dict[str, Any]:
    return {
        "topic": topic,
        "values": [
            {
                "key": value.key,
                "event": value.event,
                "data": Raw(value.data),
                "user_id": value.userId,
                "timestamp": value.timestamp,
                "pos": str(value.place),
            }
            for value in values
        ],
        "next": values[-1].serial if values else None,
    }
