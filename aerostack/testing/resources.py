"""
What a daemon in memory serves over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from aerostack.ai.models import Models
from aerostack.auth.authenticator import Authenticator
from aerostack.interfaces.messaging import IHistory
from aerostack.net.http.api import HistoryResource, RPCResource
from aerostack.net.http.state import StateResource
from aerostack.net.http.streams import StreamParts, StreamsResource
from aerostack.net.http.tree import makeTree
from aerostack.sessions.services import ClientServices
from aerostack.sessions.shares import Shares
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig
from aerostack.streams.following import Watches
from aerostack.streams.relaying import Relays

MOST = 500
"""How many messages of the history one request gets at the most."""


def makeResources(
    clock: IReactorTime,
    wall: Callable[[], float],
    services: ClientServices,
    authenticator: Authenticator,
    shares: Shares,
    history: IHistory,
    projects: Mapping[str, ProjectConfig],
    limits: LimitsConfig,
    newId: Callable[[], str],
) -> Resource:
    """
    Make the resources of the history, of token streams and of calls.  There are no models.

    @param wall: Gives the time of day, seconds since the epoch.
    @param newId: Makes the id of a connection; each call gives another.
    """
    streams, permit = services.context.streams, services.feeds.permit
    parts = StreamParts(
        clock,
        wall,
        authenticator,
        shares,
        services.requests,
        permit,
        streams,
        Watches(services.hub, streams, permit),
        Models(clock, {}, projects, wall),
        Relays(clock, streams, newId),
        limits,
        newId,
    )
    return _Unbounded(
        makeTree(
            {
                "api/v1/public/realtime/history": HistoryResource(
                    history, authenticator, permit, clock, wall, limits, MOST, shares
                ),
                "api/v1/public/realtime/state": StateResource(
                    services.values,
                    services.hub.sequencer.keyedPolicy,
                    authenticator,
                    permit,
                    clock,
                    wall,
                    limits,
                    shares,
                ),
                "api/v1/public/realtime/streams": StreamsResource(parts),
                "internal/hooks/rpc": RPCResource(services.rpc, authenticator, clock, wall, shares),
            }
        )
    )


class _Unbounded(Resource):
    """
    Serves resources to the requests of a test, which have no limit of size.
    """

    def __init__(self, root: Resource) -> None:
        super().__init__()
        self._root = root

    def getChild(self, path: bytes, request: Any) -> Any:
        request.tooLarge = False
        request.refused = lambda error: None
        return self._root.getChildWithDefault(path, request)
