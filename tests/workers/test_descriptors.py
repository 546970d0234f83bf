"""
Tests for L{aerostack.workers.descriptors}, L{aerostack.workers.accepting} and
L{aerostack.workers.distribution}, with real sockets.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint,
    TCP4ServerEndpoint,
    UNIXServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from aerostack.net.inherited import InheritedEndpoint
from aerostack.workers import descriptors as module
from aerostack.workers.accepting import AcceptingPort, adoptConnection
from aerostack.workers.balance import Load
from aerostack.workers.descriptors import (
    Arrival,
    DescriptorReceiver,
    DescriptorSender,
    socketPair,
)
from aerostack.workers.distribution import Distribution
from tests.workers.ends import until


async def openFiles() -> int:
    """
    @return: How many descriptors this process has, while the reactor runs.
    """
    await deferLater(cast(Any, reactor), 0)
    return len(os.listdir("/proc/self/fd"))


class Echo(Protocol):
    """
    Sends back what it gets, with the peer's port before it.
    """

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        port = getattr(transport.getPeer(), "port", 0)
        transport.write(b"%d:%b" % (port, data))


class PassingTests(TestCase):
    """
    Tests for connections on their way to a worker.
    """

    def setUp(self) -> None:
        self.taken: list[tuple[socket.socket, Arrival]] = []
        self.addCleanup(lambda: [connection.close() for connection, _ in self.taken])

    def pair(self) -> tuple[DescriptorSender, DescriptorReceiver]:
        """
        Connect both ends.  The receiver was not started.
        """
        a, b = socketPair()
        sender = DescriptorSender(reactor, a)
        receiver = DescriptorReceiver(reactor, b, lambda *taken: self.taken.append(taken))
        self.addCleanup(receiver.close)
        self.addCleanup(lambda: [connection.close() for connection, _ in sender.close()])
        return sender, receiver

    def send(self, sender: DescriptorSender, count: int) -> list[socket.socket]:
        """
        Pass connections on.

        @return: Their other ends.
        """
        others = []
        for n in range(count):
            ours, other = socket.socketpair()
            other.settimeout(60)
            self.addCleanup(other.close)
            others.append(other)
            sender.send(ours, Arrival(n % 3, "::1", n))
        return others

    async def test_many(self) -> None:
        """
        Very many connections at once all come, in order, and the sender keeps none.
        """
        sender, receiver = self.pair()
        before = await openFiles()
        count = min(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 3 - 100)
        others = self.send(sender, count)
        self.assertGreater(len(sender), 0)
        receiver.start()
        await until(lambda: receiver.received == count)
        self.assertEqual([arrival.port for _, arrival in self.taken], list(range(count)))
        for (connection, _), other in zip(self.taken, others, strict=True):
            connection.send(b"x")
            self.assertEqual(other.recv(1), b"x")
        self.assertEqual(await openFiles(), before + 2 * count)
        self.assertEqual(len(sender), 0)

    async def test_paused(self) -> None:
        """
        A receiver that pauses takes no more connections, in the same turn either; they come when it
        goes on.
        """
        a, b = socketPair()
        sender = DescriptorSender(reactor, a)
        self.addCleanup(lambda: [connection.close() for connection, _ in sender.close()])

        def take(connection: socket.socket, arrival: Arrival) -> None:
            self.taken.append((connection, arrival))
            receiver.pause()

        receiver = DescriptorReceiver(reactor, b, take)
        self.addCleanup(receiver.close)
        self.send(sender, 3)
        receiver.start()
        for count in (1, 2, 3):
            await until(lambda count=count: receiver.received == count)  # type: ignore[misc]
            await deferLater(cast(Any, reactor), 0.01)
            self.assertEqual([arrival.port for _, arrival in self.taken], list(range(count)))
            receiver.resume()
        receiver.close()
        receiver.resume()

    async def test_death(self) -> None:
        """
        When the receiver dies midway, the sender gives back what it has not sent, and what was on
        its way is closed.
        """
        sender, receiver = self.pair()
        before = await openFiles()
        others = self.send(sender, 300)
        receiver.start()
        await until(lambda: receiver.received)
        receiver.close()
        others += self.send(sender, 1)
        left = sender.close()
        for connection, _ in left:
            connection.close()
        self.assertGreater(len(left), 0)
        for connection, _ in self.taken:
            connection.close()
        # Both ends of the pair are gone, and of the connections there are the others.
        self.assertEqual(await openFiles(), before - 2 + 301)
        for other in others:
            self.assertEqual(other.recv(1), b"")

    async def test_crowded(self) -> None:
        """
        While the system has too many descriptors on their way, the sender tries again later.
        """
        sender, receiver = self.pair()
        refusals = [OSError(module.errno.ETOOMANYREFS, "too many references")] * 2
        send = socket.send_fds

        def refuse(*arguments: Any) -> int:
            if refusals:
                raise refusals.pop()
            return send(*arguments)

        self.patch(socket, "send_fds", refuse)
        self.send(sender, 3)
        receiver.start()
        await until(lambda: receiver.received == 3)
        self.assertEqual([arrival.port for _, arrival in self.taken], [0, 1, 2])

    async def test_refused(self) -> None:
        """
        A connection that the worker cannot serve is closed, and the next one is served.
        """
        a, b = socketPair()
        sender = DescriptorSender(reactor, a)
        self.addCleanup(sender.close)

        def adopt(connection: socket.socket, arrival: Arrival) -> None:
            if arrival.port == 0:
                raise RuntimeError("no")
            self.taken.append((connection, arrival))

        receiver = DescriptorReceiver(reactor, b, adopt)
        self.addCleanup(receiver.close)
        receiver.start()
        others = self.send(sender, 2)
        await until(lambda: receiver.received == 2)
        self.assertEqual(others[0].recv(1), b"")
        self.assertEqual(len(self.taken), 1)
        self.assertFalse(os.get_inheritable(self.taken[0][0].fileno()))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class AcceptingTests(TestCase):
    """
    Tests for connections from a listener to a worker's protocol, all in one process.
    """

    def setUp(self) -> None:
        self.clock: Any = reactor
        self.distribution = Distribution(reactor)
        self.addCleanup(self.distribution.close)
        self.served: dict[str, int] = {}
        self.transports: list[Any] = []
        self.folder = Path(tempfile.mkdtemp(prefix="w", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder)

    async def listen(self, endpoint: Any) -> AcceptingPort:
        """
        Listen, for the distribution.
        """
        port = await AcceptingPort.listen(
            endpoint, len(self.distribution.ports), self.distribution.take
        )
        self.distribution.ports.append(port)
        self.addCleanup(port.port.stopListening)
        return port

    def addWorker(self, name: str) -> DescriptorReceiver:
        """
        Add a worker that echoes.
        """
        a, b = socketPair()
        factory = Factory.forProtocol(Echo)
        factory.noisy = False
        self.served[name] = 0

        def adopt(connection: socket.socket, arrival: Arrival) -> None:
            self.served[name] += 1
            adoptConnection(reactor, connection, factory)

        receiver = DescriptorReceiver(reactor, b, adopt)
        self.addCleanup(receiver.close)
        receiver.start()
        sender = DescriptorSender(reactor, a, self.distribution.sent)
        self.addCleanup(self.distribution.remove, name)
        self.distribution.add(name, Load(name, self.clock.seconds()), sender)
        return receiver

    async def converse(self, client: socket.socket) -> bytes:
        """
        Say something that is echoed.

        @return: The answer.
        """
        client.setblocking(False)
        answers: list[bytes] = []

        def answered() -> bool:
            try:
                answers.append(client.recv(100))
            except BlockingIOError:
                return False
            return True

        client.send(b"hello")
        await until(answered)
        return answers[0]

    async def test_tcp(self) -> None:
        """
        Connections over TCP are served by both workers, with the client's address.  What a client
        sent before the worker was there is not lost.
        """
        port = await self.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        address = port.port.getHost()
        clients = []
        for _ in range(10):
            client = socket.create_connection((address.host, address.port))
            self.addCleanup(client.close)
            clients.append(client)
        self.addWorker("a")
        self.addWorker("b")
        for client in clients:
            own = client.getsockname()[1]
            self.assertEqual(await self.converse(client), b"%d:hello" % own)
            client.close()
        self.assertEqual(sum(self.served.values()), 10)
        client = socket.create_connection((address.host, address.port))
        self.addCleanup(client.close)
        await self.converse(client)
        self.assertGreater(self.served["b"], 0)

    async def test_unix(self) -> None:
        """
        Connections over a Unix socket are served.
        """
        path = str(self.folder / "s")
        await self.listen(UNIXServerEndpoint(reactor, path))
        self.addWorker("a")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            self.assertEqual(await self.converse(client), b"0:hello")

    async def test_inherited(self) -> None:
        """
        The hub also accepts connections on sockets that systemd has opened, TCP and Unix.
        """
        self.addWorker("a")
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", 0)),
            (socket.AF_INET6, ("::1", 0)),
            (socket.AF_UNIX, str(self.folder / "i")),
        ):
            with socket.socket(family) as opened:
                opened.bind(address)
                opened.listen()
                descriptor = os.dup(opened.fileno())
                passed = AdoptedStreamServerEndpoint(reactor, descriptor, family)
                await self.listen(InheritedEndpoint(reactor, passed))
                with socket.socket(family) as client:
                    client.connect(opened.getsockname())
                    self.assertIn(b"hello", await self.converse(client))
        self.assertEqual(self.served["a"], 3)

    async def test_noWorkers(self) -> None:
        """
        Without workers the hub stops accepting, and accepts again with the first worker.
        """
        port = await self.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        address = port.port.getHost()
        with (
            socket.create_connection((address.host, address.port)) as first,
            socket.create_connection((address.host, address.port)) as second,
        ):
            await until(lambda: port._paused)
            self.addWorker("a")
            self.assertFalse(port._paused)
            self.assertIn(b"hello", await self.converse(first))
            self.assertIn(b"hello", await self.converse(second))

    async def test_gone(self) -> None:
        """
        A connection whose client has gone on its way is closed.
        """
        ours, other = socket.socketpair()
        other.close()
        adoptConnection(reactor, ours, Factory.forProtocol(Echo))
        self.assertEqual(ours.fileno(), -1)
        lone = socket.socket()
        adoptConnection(reactor, lone, Factory.forProtocol(Echo))
        self.assertEqual(lone.fileno(), -1)
