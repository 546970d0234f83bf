"""
The Python client and the SDKs with servers that are no daemon, or that misbehave: they report what
happened, and do not retry too fast.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from aerostack.client.blocking import BlockingSDK
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from aerostack.client.sdk import TwistedSDK
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.daemon import gather
from tests.live.servers import (
    Server,
    ServerTests,
    close,
    http,
    inTurn,
    refusal,
    says,
    text,
    webSocket,
)
from tests.ports import freePort

NONSENSE: dict[str, Callable[[], Server]] = {
    "a mail server": lambda: Server(greeting=says(b"220 mail.example.com ESMTP\r\n\r\n")),
    "noise": lambda: Server(greeting=says(bytes(range(256)) + b"\r\n\r\n")),
    "noise without end": lambda: Server(greeting=says(b"\xff" * 300_000)),
    "a web server": lambda: Server(answer=http("200 OK", b"<html>Welcome</html>")),
    "another web server": lambda: Server(answer=http("404 Not Found", b"Nothing")),
}


class ClientTests(ServerTests):
    """
    Tests for L{RealtimeClient}.
    """

    def client(self, where: str, **options: Any) -> RealtimeClient:
        """
        Start a client.
        """
        client = RealtimeClient(
            self.reactor, f"ws://{where}", projectId="p", apiKey=PUBLIC_KEY, **options
        )
        self.addCleanup(client.stopService)
        self.errors: list[ClientError] = []
        client.onError(self.errors.append)
        client.startService()
        return client

    async def refused(self, server: Server) -> ClientError:
        """
        Return the client's error about a server to which it does not reconnect.
        """
        client = self.client(self.listen(server))
        waiting = client.channel("chat/a").subscribe()
        error = await self.assertFailure(waiting, ClientError)
        self.assertEqual(client.status, "disconnected")
        self.assertEqual(self.errors, [error])
        self.assertEqual(server.connections, 1)
        return error

    async def visited(self, server: Server) -> ClientError:
        """
        Return the client's error about a server to which it reconnects, and check that it waits
        between attempts, however fast the machine is.
        """
        client = self.client(self.listen(server))
        errors, began = self.errors, time.monotonic()
        while len(errors) < 2:
            await deferLater(self.reactor, 0.02)
        elapsed = time.monotonic() - began
        self.assertEqual(client.status, "reconnecting")
        # With C{connect} it tries at once, one time.
        self.assertLessEqual(server.connections, 2 + elapsed / 0.74)
        return errors[-1]

    async def test_nonsense(self) -> None:
        """
        A server that is no daemon is C{bad_answer}.
        """
        for name, make in NONSENSE.items():
            server = make()
            client = self.client(self.listen(server), maxReconnectAttempts=0)
            waiting = client.channel("chat/a").subscribe()
            error = await self.assertFailure(waiting, ClientError)
            self.assertEqual(error.code, "bad_answer", name)
            self.assertNotIn(PUBLIC_KEY, str(error))

    async def test_comesBack(self) -> None:
        """
        The client reconnects to a server that closes at once, at growing intervals, even if the
        server opens a WebSocket first, and whatever it sends.
        """
        servers = [Server(greeting=lambda heard: None)]
        for frames in (
            (),
            (text(b'{"type":"reconnect","delay":0}'), close(1001)),
            (text(b"hello"),),
            (b"\xff\xff\xff",),
        ):
            servers.append(Server(answer=webSocket(*frames), closes=True))
        errors = await gather(*(self.visited(server) for server in servers))
        self.assertEqual(
            [error.code for error in errors],
            ["unreachable", "unreachable", "closed", "unreachable", "bad_answer"],
        )

    async def test_neverAnswers(self) -> None:
        """
        While a server does not answer, the client can be stopped at any time, and pending calls
        fail.
        """
        server = Server()
        client = self.client(self.listen(server))
        waiting = client.channel("chat/a").publish("e", 1)
        while not server.connections:
            await deferLater(self.reactor, 0.01)
        self.assertEqual(client.status, "connecting")
        failing = self.assertFailure(waiting, ClientError)
        await client.stopService()
        self.assertEqual((await failing).code, "stopped")

    async def test_nobody(self) -> None:
        """
        If no server listens, the client says so.
        """
        port = freePort(self)
        client = self.client(f"127.0.0.1:{port}", maxReconnectAttempts=1)
        error = await self.assertFailure(client.channel("chat/a").subscribe(), ClientError)
        self.assertEqual(error.code, "unreachable")
        self.assertRegex(
            error.message, rf"^No server can be reached at ws://127.0.0.1:{port}: .*efused"
        )

    async def test_forGood(self) -> None:
        """
        The client does not reconnect after a permanent refusal.
        """
        for status, code in (
            ("401 Unauthorized", "unauthorized"),
            ("403 Forbidden", "origin_not_allowed"),
            ("404 Not Found", "unknown_project"),
        ):
            error = await self.refused(Server(answer=refusal(status, code)))
            self.assertEqual((error.code, error.message), (code, "It says no."))

    async def test_forAWhile(self) -> None:
        """
        The client reconnects after the delay of a temporary refusal, and continues.
        """
        for status, code in (
            ("429 Too Many Requests", "too_many_connections"),
            ("503 Service Unavailable", "overloaded"),
        ):
            subscribed = text(b'{"type":"subscribed","topic":"chat/a/p","pos":"1"}')
            answers = [refusal(status, code, retryAfter=50), webSocket(subscribed)]
            server = Server(answer=inTurn(*answers))
            client = self.client(self.listen(server))
            await client.channel("chat/a").subscribe()
            self.assertEqual((client.status, server.connections), ("connected", 2))
            self.assertEqual([(e.code, e.retryAfter) for e in self.errors], [(code, 50)])

    async def test_sentAway(self) -> None:
        """
        The client does not reconnect after a permanent close code.
        """
        server = Server(answer=webSocket(close(4029, b"frames come too fast")))
        error = await self.refused(server)
        self.assertIn("4029: frames come too fast", error.message)


class SDKTests(ServerTests):
    """
    Tests for L{BlockingSDK} and L{TwistedSDK}.
    """

    def asking(self, where: str, timeout: float) -> list[Callable[[], Deferred[Any]]]:
        """
        Ways to emit an event.
        """
        url = f"http://{where}"
        twisted = TwistedSDK(self.reactor, url, SECRET_KEY, timeout=timeout)
        self.addCleanup(twisted.close)
        blocking = BlockingSDK(url, SECRET_KEY, timeout=timeout)
        self.addCleanup(blocking.close)
        return [
            lambda: deferToThread(blocking.socket.emit, "e", 1, "chat/a"),
            lambda: twisted.socket.emit("e", 1, "chat/a"),
        ]

    async def assertCode(self, server: Server, code: str, timeout: float = 60.0) -> None:
        """
        Check the error of both SDKs about a server, and that each sent one request.
        """
        for number, ask in enumerate(self.asking(self.listen(server), timeout), 1):
            error = await self.assertFailure(ask(), ClientError)
            self.assertEqual(error.code, code, error)
            self.assertNotIn(SECRET_KEY, str(error))
            # The connection may be accepted only after the call's timeout.
            while server.connections < number:
                await deferLater(self.reactor, 0.01)
            self.assertEqual(server.connections, number)

    async def test_nonsense(self) -> None:
        """
        A server that is no daemon is C{bad_answer}.
        """
        for name, make in NONSENSE.items():
            server = make()
            server.closes = name.startswith("noise")
            for ask in self.asking(self.listen(server), 60.0):
                error = await self.assertFailure(ask(), ClientError)
                self.assertIn(error.code, ("bad_answer", "unreachable"), name)

    async def test_closesAtOnce(self) -> None:
        """
        After a server has closed without an answer the SDK does not repeat the call, because the
        server may have acted on it.
        """
        await self.assertCode(Server(answer=lambda heard: None), "unreachable")

    async def test_cutOff(self) -> None:
        """
        The same holds for a server that closes in the middle of its answer.
        """
        said = says(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"success": true}')
        for ask in self.asking(self.listen(Server(answer=said, closes=True)), 60.0):
            error = await self.assertFailure(ask(), ClientError)
            self.assertIn(error.code, ("unreachable", "bad_answer"))

    async def test_neverAnswers(self) -> None:
        """
        The SDK waits for a server that does not answer until its timeout.
        """
        await self.assertCode(Server(), "timed_out", timeout=1.0)

    async def test_neverEnds(self) -> None:
        """
        The same holds for an answer without an end.
        """
        said = says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
        await self.assertCode(Server(answer=said), "timed_out", timeout=1.0)

    async def test_refused(self) -> None:
        """
        A refusal is raised, with its reason.
        """
        for status, code in (
            ("400 Bad Request", "sql_error"),
            ("401 Unauthorized", "unauthorized"),
            ("503 Service Unavailable", "database_unavailable"),
        ):
            server = Server(answer=refusal(status, code), closes=True)
            await self.assertCode(server, code)

    async def test_forAWhile(self) -> None:
        """
        A call that the server temporarily refused, and did not act on, is repeated.
        """
        for ask in range(2):
            later = refusal("503 Service Unavailable", "overloaded", retryAfter=50)
            taken = http("200 OK", b'{"success": true}')
            server = Server(answer=inTurn(later, taken), closes=True)
            waiting = self.asking(self.listen(server), 60.0)[ask]()
            self.assertEqual((await waiting, server.connections), ({"success": True}, 2))

    async def test_nobody(self) -> None:
        """
        If no server listens, the SDK tries again until its timeout, and then says so.
        """
        port = freePort(self)
        for ask in self.asking(f"127.0.0.1:{port}", 2.0):
            error = await self.assertFailure(ask(), ClientError)
            self.assertEqual(error.code, "unreachable")
            self.assertRegex(
                error.message, "^No server can be reached at http://127.0.0.1:.*efused"
            )
        server = Server(answer=http("200 OK", b'{"success": true}'))
        waiting = [ask() for ask in self.asking(f"127.0.0.1:{port}", 60.0)]
        await deferLater(self.reactor, 0.2)
        listening = self.reactor.listenTCP(port, server, interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        for each in waiting:
            self.assertEqual(await each, {"success": True})
