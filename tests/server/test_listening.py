"""
Tests for L{aerostack.server.listening}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from aerostack.net.endpoints import serverEndpoint
from aerostack.net.http.base import NotFoundResource
from aerostack.net.http.tree import Tree, makeTree
from aerostack.server.listening import Listening
from aerostack.settings.limits import LimitsConfig

CROWD = 300


class CrowdTests(TestCase):
    """
    Tests for clients that come all at once, three times as many as may wait.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        tree: Tree = makeTree({"nothing": NotFoundResource()})
        self.listening = Listening(reactor, tree, LimitsConfig(connections=1000))
        self.listening.listen(serverEndpoint(reactor, "tcp:0:interface=127.0.0.1:backlog=1000"))
        host: Any = self.listening.ports[0].getHost()
        self.address = (host.host, host.port)
        self.clients: list[socket.socket] = []

    def tearDown(self) -> Any:
        for client in self.clients:
            client.close()
        return ensureDeferred(self.end())

    async def end(self) -> None:
        """Stop listening, and wait until all connections have ended."""
        await self.listening.stop(inherited=False)
        while len(self.listening.lobby):
            await deferLater(self.reactor, 0.01)

    def connect(self, count: int, sent: bytes) -> None:
        """
        Let clients connect while the reactor does not turn.
        """
        for _ in range(count):
            client = socket.create_connection(self.address)
            self.clients.append(client)
            client.sendall(sent)
            client.setblocking(False)

    async def answered(self, client: socket.socket) -> bytes:
        """
        Read what the daemon sends first.
        """
        while True:
            try:
                return client.recv(12)
            except BlockingIOError:
                await deferLater(self.reactor, 0.005)

    async def test_requests(self) -> None:
        """
        Each of them is answered.
        """
        self.connect(CROWD, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in self.clients:
            self.assertEqual(await self.answered(client), b"HTTP/1.1 404")

    async def test_silent(self) -> None:
        """
        While others send nothing, a client is served, and those that came first are dropped.
        """
        self.connect(CROWD, b"")
        self.connect(1, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(await self.answered(self.clients[-1]), b"HTTP/1.1 404")
        with self.assertRaises(ConnectionResetError):
            await self.answered(self.clients[0])
