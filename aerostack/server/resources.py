"""
The resources through which clients and servers reach what a front serves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from twisted.application.service import MultiService
from twisted.web.resource import Resource

from aerostack.ai.models import Models
from aerostack.auth.authenticator import Authenticator
from aerostack.examples.server import Examples
from aerostack.net.http.chat import ChatsResource
from aerostack.net.http.gateway import GatewayResource
from aerostack.net.http.state import StateResource
from aerostack.net.http.streams import StreamParts, StreamsResource
from aerostack.net.sse.checking import CheckResource
from aerostack.net.sse.connection import EventParts
from aerostack.net.sse.resources import EventsResource, SendResource
from aerostack.net.sse.uplink import Uplink
from aerostack.net.websocket.connections import Connections, MakeSession
from aerostack.net.websocket.gate import Gate
from aerostack.net.websocket.opener import Opener
from aerostack.net.websocket.resource import RealtimeResource
from aerostack.protocol.events import EventEncoder
from aerostack.server.site import openProject
from aerostack.sessions.chats import Chats
from aerostack.sessions.chatsession import ChatSession
from aerostack.sessions.relaycalls import RelayMethods
from aerostack.sessions.services import ClientServices, NodeServices
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import Config
from aerostack.streams.following import Watches
from aerostack.streams.relaying import Relays


class ClientResources(MultiService):
    """
    Makes the resources of token streams, of models, of connections over server-sent events, of the
    values of keyed topics, and of the examples.

    @ivar paths: The resources by path.
    """

    def __init__(
        self,
        reactor: Any,
        wall: Callable[[], float],
        config: Config,
        node: NodeServices,
        services: ClientServices,
        authenticator: Authenticator,
        gate: Gate,
        connections: Connections,
        models: Models,
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param node: What exists once on a machine.
        @param services: What sessions and servers' requests use.
        @param gate: Decides whether a client may come in.
        @param models: Asks models.
        """
        super().__init__()
        self._reactor = reactor
        self._wall = wall
        self._config = config
        self._node = node
        self._services = services
        self._authenticator = authenticator
        self._gate = gate
        self._connections = connections
        self._state = StateResource(
            node.values,
            node.sequencer.keyedPolicy,
            authenticator,
            services.feeds.permit,
            reactor,
            wall,
            config.limits,
            node.shares,
        )
        self.paths: Mapping[str, Resource] = {
            "api/v1/public/realtime/state": self._state,
            **self._makeStreams(models),
            **self._makeEvents(),
            **(self._makeExamples() if config.server.examples else {}),
        }

    def makeOpener(self, makeSession: MakeSession | None = None) -> Opener:
        """
        Make what lets clients in.

        @param makeSession: See L{Opener}.
        """
        return Opener(
            self._gate,
            self._connections,
            self._authenticator,
            self._wall,
            self._config.server.queryCredentials,
            makeSession,
        )

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self._streamParts.limits = limits
        self._events.reload(limits)
        self._state.reload(limits)

    def _makeStreams(self, models: Models) -> Mapping[str, Resource]:
        """The resources of token streams and of models."""
        services, streams = self._services, self._node.streams
        permit, parse = services.feeds.permit, services.rpc.parse

        def newId() -> str:
            return uuid4().hex

        self._streamParts = parts = StreamParts(
            self._reactor,
            self._wall,
            self._authenticator,
            self._node.shares,
            services.requests,
            permit,
            streams,
            Watches(services.hub, streams, permit),
            models,
            Relays(self._reactor, streams, newId),
            self._config.limits,
            newId,
        )
        services.rpc.add(RelayMethods(streams, parts.relays, models, parse, permit).methods)
        chats = Chats(streams, parts.watches, parts.relays, models, parse, permit, newId)
        opener = self.makeOpener(
            lambda connection, identity: ChatSession(connection, identity, services.context, chats)
        )
        return {
            "api/gateway": GatewayResource(parts),
            "api/ai/chat": ChatsResource(parts, chats, RealtimeResource(opener)),
            "api/v1/public/realtime/streams": StreamsResource(parts),
        }

    def _makeEvents(self) -> Mapping[str, Resource]:
        """The resources of connections over server-sent events."""
        authenticator = self._authenticator
        uplink = Uplink(self._node.uplinks)
        parts = EventParts(
            self._reactor,
            self._connections,
            EventEncoder(),
            lambda: authenticator.projects,
            uplink.newSecret,
        )
        self._events = EventsResource(
            self.makeOpener(),
            authenticator,
            parts,
            uplink,
            self._connections.newId,
            self._config.limits,
        )
        return {
            "api/realtime/check": CheckResource(self.makeOpener(), authenticator),
            "api/realtime/sse": self._events,
            "api/realtime/send": SendResource(authenticator, uplink),
        }

    def _makeExamples(self) -> Mapping[str, Resource]:
        """The pages of the examples, and the resources that these pages ask."""
        project = openProject(self._config)
        models = self._config.projects[project].models
        examples = Examples(
            self._reactor,
            self._wall,
            self._services.rpc,
            self._authenticator,
            self._node.shares,
            project,
            models[0] if models else None,
        )
        examples.setServiceParent(self)
        return examples.resources()
