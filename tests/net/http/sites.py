"""
A site without sockets: connections to it, on which a test writes bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from zope.interface import implementer

from aerostack.core.limits.draining import DrainPlan
from aerostack.core.limits.lag import LagLimit
from aerostack.engine.alone import AloneNodes
from aerostack.engine.uplinks import NodeUplinks
from aerostack.net.http.base import JSONResource
from aerostack.net.http.lobby import Lobby
from aerostack.net.http.refusing import RequestRefusals
from aerostack.net.http.server import BoundedSite
from aerostack.net.http.tree import makeTree
from aerostack.net.intake import Intake
from aerostack.net.sse.checking import CheckResource
from aerostack.net.sse.connection import EventParts
from aerostack.net.sse.resources import EventsResource, SendResource
from aerostack.net.sse.uplink import Uplink
from aerostack.net.websocket.connections import Connections
from aerostack.net.websocket.gate import Gate
from aerostack.net.websocket.opener import Opener
from aerostack.net.websocket.resource import RealtimeResource
from aerostack.protocol.deflate import Compressor
from aerostack.protocol.events import EventEncoder
from aerostack.settings.addresses import Proxies
from aerostack.testing.delayed import Line
from aerostack.testing.world import World, makeProject

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The C{Sec-WebSocket-Key} of RFC 6455."""

LINES = (
    "Host: 127.0.0.1:8787",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {KEY}",
)

_DATE = re.compile(rb"(?<=\r\nDate: )[^\r]*")


def request(*more: str, target: str = "/api/realtime?projectId=p") -> bytes:
    """
    A request that opens a WebSocket.

    @param more: Further lines.
    """
    lines = [f"GET {target} HTTP/1.1", *LINES, *more, "", ""]
    return "\r\n".join(lines).encode("latin-1")


class Plain(JSONResource):
    """
    A resource without WebSockets.
    """

    methods = ("GET", "POST")

    def answer(self, request: Any) -> Any:
        return 200, {"read": request.content.read().decode("latin-1")}


@implementer(ITCPTransport)
class Wire(StringTransport):
    """
    A client's connection, as the daemon's transport.

    @ivar protocol: What the bytes of the client go to.
    @ivar isUndelayed: Whether small packets are sent at once.
    """

    isUndelayed = False

    bufferSize = 65_536
    protocol: Any = None

    def _checkState(self) -> None:
        """A real transport may be paused while it closes."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        See L{ITCPTransport}.
        """
        self.isUndelayed = enabled

    def getHandle(self) -> Any:
        """
        A socket that takes everything.
        """
        return self

    def send(self, data: bytes) -> int:
        """
        Take bytes.
        """
        self.write(data)
        return len(data)

    def answer(self) -> bytes:
        """
        What the daemon has written.
        """
        return _DATE.sub(b"-", self.value())


class SiteUnderTest:
    """
    A site with a WebSocket and another resource.

    @ivar line: Delays what the site asks of the node; L{None} if it answers at once.
    """

    def __init__(
        self,
        short: bool = True,
        delayed: bool = False,
        uplinks: Any = None,
        pages: Mapping[str, Resource] = MappingProxyType({}),
        **limits: Any,
    ) -> None:
        """
        @param uplinks: The way to other processes, an L{IUplinks}; L{None} if there are none.
        @param short: Whether requests for WebSockets may be read without twisted.web.
        @param delayed: Whether a place for a client takes time.
        @param pages: More resources, by path.
        """
        self.line = Line() if delayed else None
        world = World({"p": makeProject(origins=("http://a.example",))}, line=self.line)
        world.limits = replace(world.limits, **limits)
        self.world, clock = world, world.clock
        self.limits = world.limits
        world.shares.reloadShares(world.projects, world.limits)
        self.connections = Connections(
            clock,
            world.hub.delivery.turnEnd,
            world.limits,
            world._makeSession,
            world.newConnectionId,
            Compressor(100, 1 << 20),
        )
        self.lag = LagLimit(world.limits, lambda: 0.5)
        gate = Gate(
            self.connections,
            world.context.shares,
            self.lag,
            DrainPlan(1.0, 1.0, lambda: 0.5),
            Proxies(["127.0.0.1"]),
        )
        opener = Opener(gate, self.connections, world.authenticator, world.wall, False)
        self.lobby = Lobby(clock, world.limits)
        self.uplink = Uplink(uplinks or NodeUplinks(AloneNodes("world")))
        parts = EventParts(
            clock, self.connections, EventEncoder(), lambda: world.projects, self.uplink.newSecret
        )
        self.site = BoundedSite(
            makeTree(
                {
                    "api/realtime": RealtimeResource(opener),
                    "api/realtime/sse": EventsResource(
                        opener,
                        world.authenticator,
                        parts,
                        self.uplink,
                        world.newConnectionId,
                        world.limits,
                    ),
                    "api/realtime/send": SendResource(world.authenticator, self.uplink),
                    "api/realtime/check": CheckResource(opener, world.authenticator),
                    "plain": Plain(),
                    **pages,
                },
                RequestRefusals(world.refusals, world.authenticator, gate.addressOf, world.wall),
            ),
            clock,
            world.limits,
            self.lobby,
            Intake(clock, lambda: 0.0),
            False,
        )
        if not short:
            self.site.upgraders = {}

    def connect(self, address: str = "192.168.1.1") -> Wire:
        """
        Let a client connect.
        """
        wire = Wire(peerAddress=IPv4Address("TCP", address, 54321))
        protocol: Any = self.site.buildProtocol(wire.getPeer())
        wire.protocol = protocol
        protocol.makeConnection(wire)
        return wire

    def write(self, wire: Wire, *parts: bytes) -> None:
        """
        Let a client write, and have the daemon act on it.
        """
        for part in parts:
            if not (wire.disconnecting or wire.disconnected):
                wire.protocol.dataReceived(part)
            self.turn()

    def turn(self) -> None:
        """
        Let the reactor turn, until nothing is left to do.
        """
        for _ in range(5):
            self.world.clock.advance(0)

    def lose(self, wire: Wire) -> None:
        """
        Break a client's connection.
        """
        wire.protocol.connectionLost(Failure(ConnectionDone()))
        self.turn()

    def held(self) -> Any:
        """
        What the daemon holds for its clients: places, WebSockets and connections that speak HTTP.
        """
        return self.world.shares.places, len(self.connections), len(self.lobby)
