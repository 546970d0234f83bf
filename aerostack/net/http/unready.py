"""
What a daemon serves that cannot work yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from aerostack.errors import RealtimeError
from aerostack.net.http.base import RefusalResource
from aerostack.net.http.health import HealthResource
from aerostack.net.http.requests import RefusalNotes
from aerostack.net.http.tree import Tree

AGAIN = 2000
"""After how many milliseconds a client may try again."""


class UnreadyTree(Tree):
    """
    Serves C{/health} and C{/metrics}, and refuses every other request for now.  It closes each
    connection after the answer, because a client of a connection that stays would never come to
    what is served later.
    """

    def __init__(
        self,
        health: Callable[[], dict[str, Any]],
        metrics: Resource,
        notes: RefusalNotes | None = None,
    ) -> None:
        """
        @param health: See L{HealthResource}.
        @param metrics: The metrics.
        @param notes: See L{Tree}.
        """
        # Requests for WebSockets are refused like all others.
        super().__init__({}, notes)
        self.putChild(b"health", HealthResource(health))
        self.putChild(b"metrics", metrics)

    def getChildWithDefault(self, path: bytes, request: Any) -> Any:
        request.setHeader(b"connection", b"close")
        request.channel.persistent = False
        return super().getChildWithDefault(path, request)

    def getChild(self, path: bytes, request: Request) -> Resource:
        return RefusalResource(
            RealtimeError(
                "database_unavailable", "The daemon waits for its database; try again.", AGAIN
            )
        )
