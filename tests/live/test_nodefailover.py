"""
Tests for two daemons whose Valkey server is replaced by its replica.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from zope.interface import implementer

from aerostack.testing.relay import Relay
from tests.engine.valkey.server import ValkeyServer, ownServer
from tests.live.nodes import NodesTests
from tests.ports import freePort

TOPIC = "room/1/p"


@implementer(IStreamClientEndpoint)
class PresentServer:
    """
    Connects to the server that a test has at the time.
    """

    def __init__(self, test: NodesTests) -> None:
        self._test = test

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        endpoint = UNIXClientEndpoint(self._test.reactor, self._test.server.path)
        connecting: Deferred[IProtocol] = endpoint.connect(factory)
        return connecting


class FailoverTests(NodesTests):
    """
    The server has one address, which leads to the replica later.  Connections that exist stay.
    """

    def makeServer(self) -> ValkeyServer:
        return ownServer(self)

    async def start(self, port: int = 0) -> None:
        self.relay = Relay(self.reactor, PresentServer(self))
        self.enginePort = freePort(self)
        await self.relay.listen(
            TCP4ServerEndpoint(self.reactor, self.enginePort, interface="127.0.0.1")
        )
        await super().start(port)

    async def stop(self) -> None:
        await super().stop()
        await self.relay.stop()

    async def test_demoted(self) -> None:
        """
        The server becomes a replica without closing its connections: the daemons leave it, and all
        that is published meanwhile comes at each subscriber once and in order.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        publisher = await self.client("p")
        old, new = self.server, ownServer(self)
        new.follow(old)
        new.waitUntilFollowing()
        for number in range(20):
            await self.say(publisher, TOPIC, number, persist=number % 2 == 0)
        (stream,) = [key for key in old.execute("KEYS", "*") if b":s:" in key and b"room/1" in key]
        await self.until(lambda: new.execute("XLEN", stream) == 20)
        # From now on new connections lead to the new master, but the old ones are still there.
        self.server = new
        new.follow(None)
        old.follow(new)
        for number in range(20, 40):
            frame: dict[str, Any] = {"type": "publish", "topic": TOPIC, "event": "e"}
            publisher.tell({**frame, "data": number, "id": number, "persist": number % 2 == 0})
        answers = await publisher.frames(20)
        self.assertEqual({answer["type"] for answer in answers}, {"ack"}, answers)
        for wire in (here, there):
            found: list[Any] = []
            while len(found) < 40:
                event = await wire.frame()
                if event["type"] == "event":
                    found.append(event["data"])
                else:
                    self.assertEqual(event["type"], "status")
            self.assertEqual(found, list(range(40)))
        await self.connected()
        await self.say(publisher, TOPIC, "after")
        self.assertEqual(new.execute("XLEN", stream), 41)
        for wire in (here, there):
            while (event := await wire.frame())["type"] == "status":
                pass
            self.assertEqual(event["data"], "after")
