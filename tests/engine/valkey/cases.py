"""
What the test cases with nodes on a real server share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint, UNIXServerEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from aerostack.engine.valkey.link import Link, LinkUser, Login
from aerostack.engine.valkey.scripts import Scripts
from aerostack.testing.relay import Relay
from tests.engine.valkey.lines import until
from tests.engine.valkey.server import ValkeyServer, sharedServer


class ServerCase(TestCase):
    """
    A test case with nodes on one server.

    @ivar server: The server; when it is set to another one, nodes connect there the next time.
    @ivar nodes: The nodes.
    @ivar through: Where the next nodes connect; L{None} for the server itself.
    """

    def setUp(self) -> None:
        """
        Make the server.
        """
        self.server: ValkeyServer = self.makeServer()
        self.nodes: list[Any] = []
        self.through: IStreamClientEndpoint | None = None

    def makeServer(self) -> ValkeyServer:
        """
        Give the server of a test.
        """
        return sharedServer(self)

    def makeLink(self, name: str, scripts: dict[str, str], user: LinkUser, **login: Any) -> Link:
        """
        Make the link of a node, which leaves the server when the test is over.

        @param name: The node's name.
        @param login: More for the node's L{Login}.
        """
        through = self.through
        link = Link(
            reactor,
            # A test may give its nodes another server meanwhile.
            lambda: succeed(through or UNIXClientEndpoint(reactor, self.server.path)),
            Login(name, f"own:{name}".encode(), **login),
            Scripts(scripts, name),
            user,
            lambda: 0.0,
        )
        self.addCleanup(link.stop)
        return link

    async def relay(self) -> Relay:
        """
        Start a relay to the server, and let the next nodes connect through it.
        """
        relay = Relay(reactor, UNIXClientEndpoint(reactor, self.server.path))
        path = str(self.server.directory / f"r{len(self.nodes)}")
        await relay.listen(UNIXServerEndpoint(reactor, path))
        self.addCleanup(relay.stop)
        self.through = UNIXClientEndpoint(reactor, path)
        return relay

    def pause(self, seconds: float) -> Deferred[None]:
        """
        Wait.
        """
        return deferLater(reactor, seconds, lambda: None)

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Wait until something is true.
        """
        await until(condition)
