"""
Unusual HTTP requests, and their answers.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from twisted.internet.defer import succeed
from twisted.web import http

from aerostack.net import intake
from aerostack.net.http import lobby, server
from aerostack.net.http.lobby import LEAST
from aerostack.settings.settings import Config
from aerostack.testing import SECRET_KEY
from tests.live.campaign import SECONDS
from tests.live.daemon import DaemonTests
from tests.live.hostile import OPENING
from tests.live.wire import Wire

timeout = SECONDS


class Requests(DaemonTests):
    """
    Sends requests byte by byte.
    """

    # Many of the tests look into the process that serves HTTP.
    workers = 1

    async def raw(self) -> Wire:
        """
        Open a connection that records everything that arrives.
        """
        wire = await self.wire()
        wire.keepRaw()
        return wire

    async def ask(self, *lines: str, body: str = "") -> str:
        """
        Send one request.

        @return: The whole answer.
        """
        wire = await self.raw()
        wire.write("\r\n".join([*lines, "Connection: close", "", body]).encode())
        await wire.lost
        return wire.received.decode()


class FormTests(Requests):
    """
    Tests for the forms of requests.
    """

    async def test_absolute(self) -> None:
        """
        A target in absolute form is found, and its authority replaces C{Host}.
        """
        for target, host, status in (
            ("http://localhost:1/metrics", "evil.example", 200),
            ("HTTP://127.0.0.1/metrics?x=http://y", "a", 200),
            ("http://evil.example/metrics", "localhost", 401),
            ("http://localhost?x=1", "a", 200),
            ("http://localhost", "a", 200),
            ("https://localhost/nothing", "a", 404),
            ("ftp://localhost/metrics", "localhost", 404),
        ):
            answer = await self.ask(f"GET {target} HTTP/1.1", f"Host: {host}")
            self.assertEqual(int(answer.split()[1]), status, target)

    async def test_openingAbsolute(self) -> None:
        """
        A WebSocket opens on a target in its absolute form.
        """
        wire = await self.raw()
        wire.write(OPENING.replace(b"GET /", b"GET http://localhost/"))
        await self.until(lambda: b"HTTP/1.1 101" in wire.received)

    async def test_short(self) -> None:
        """
        On each path with WebSockets, twisted.web does not read a request that comes as a whole.
        """
        self.patch(server.LineReceiver, "dataReceived", None)
        for path in (b"/api/realtime?", b"/api/ai/chat?"):
            wire = await self.raw()
            wire.write(OPENING.replace(b"/api/realtime?", path))
            await self.until(lambda wire=wire: b"HTTP/1.1 101" in wire.received)

    async def test_onlyGET(self) -> None:
        """
        Only C{GET} in HTTP/1.1 opens a WebSocket; a refusal has its reason phrase.
        """
        for changed in (
            OPENING.replace(b"GET", b"HEAD"),
            OPENING.replace(b"HTTP/1.1", b"HTTP/1.0"),
        ):
            wire = await self.raw()
            wire.write(changed)
            await self.until(lambda wire=wire: b"\r\n\r\n" in wire.received)
            self.assertRegex(wire.received, rb"\AHTTP/1\.[01] 426 Upgrade Required\r\n")

    async def test_repeated(self) -> None:
        """
        A header that decides about rights must not be repeated.
        """
        for header in ("Host: a", "Origin: http://a", "Authorization: Bearer a"):
            for path in ("/health", "/console/", "/api/realtime"):
                answer = await self.ask(f"GET {path} HTTP/1.1", "Host: a", header, header)
                self.assertEqual(answer.split()[1], "400", (header, path))
                self.assertIn("invalid_arguments", answer)

    async def test_noForms(self) -> None:
        """
        The daemon parses no form data, on any path.
        """

        def parse(*args: Any, **kwargs: Any) -> None:
            raise AssertionError("read a form")

        for name in ("parse_qs", "_getMultiPartArgs"):
            self.patch(http, name, parse)
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            for path, status in (("/health", "405"), ("/internal/hooks/rpc", "401")):
                body = "a=1&" * 1000
                answer = await self.ask(
                    f"POST {path} HTTP/1.1",
                    "Host: a",
                    f"Content-Type: {kind}",
                    f"Content-Length: {len(body)}",
                    body=body,
                )
                self.assertEqual(answer.split()[1], status)

    async def test_unencodable(self) -> None:
        """
        An answer that cannot be encoded as JSON is answered as an internal error.
        """
        for answered in ("\ud800", object()):

            def call(*args: Any, answered: Any = answered) -> Any:
                return succeed(answered)

            self.patch(self.daemon.front.rpc, "call", call)
            status, body = await self.rpc("anything")
            self.assertEqual((status, body["error"]), (500, "internal_error"))
            self.assertEqual(len(self.flushLoggedErrors()), 1)

    async def test_failing(self) -> None:
        """
        A request whose handler fails is answered with JSON, too.
        """
        self.patch(self.daemon.front.rpc, "call", None)
        status, body = await self.rpc("anything")
        self.assertEqual((status, body["error"]), (500, "internal_error"))
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)


class PipelineTests(Requests):
    """
    Tests for pipelined requests.
    """

    async def test_unread(self) -> None:
        """
        The daemon does not buffer answers for a client that does not read, and sends them once it
        reads.
        """
        wire = await self.raw()
        transport: Any = wire.transport
        transport.pauseProducing()
        count = 400
        wire.write(b"GET /client/realtime.js HTTP/1.1\r\nHost: a\r\n\r\n" * count)
        channels = self.daemon.listening.lobby._channels
        await self.until(lambda: channels)
        (channel,) = channels
        await self.until(lambda: channel._waitingForTransport)
        for _ in range(100):
            await self.sleep(0)
        unsent = len(channel.transport.dataBuffer) + channel.transport._tempDataLen
        self.assertLess(unsent, 262_144)
        self.assertLess(len(channel._buffer), 262_144)
        transport.resumeProducing()
        await self.until(lambda: wire.received.count(b"HTTP/1.1 200 OK") == count)

    async def test_others(self) -> None:
        """
        Between two requests of one client the daemon serves others.
        """
        self.patch(intake, "BUDGET", 1e-9)
        wire = await self.raw()
        wire.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
        seen = []
        while len(re.findall(rb"HTTP/1.1 200", wire.received)) < 50:
            seen.append(wire.received.count(b"HTTP/1.1 200"))
            await self.sleep(0)
        self.assertGreater(len(set(seen)), 20)


class UnreadTests(Requests):
    """
    Tests for large answers that clients do not read.
    """

    async def test_longest(self) -> None:
        """
        If too much waits for clients to read it, the daemon drops the client that has not read for
        longest; a client that reads gets its whole answer.
        """
        size = 16_000_000
        self.patch(lobby, "UNSENT", 5 * size // 2)
        self.patch(self.daemon.front.rpc, "call", lambda *args: succeed("x" * size))
        guests = self.daemon.listening.lobby
        request = (
            "POST /internal/hooks/rpc HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
            f"Authorization: Bearer {SECRET_KEY}\r\n\r\n{{}}"
        ).encode()
        wires: list[Wire] = []
        for number in range(4):
            wire = await self.raw()
            wires.append(wire)
            if number < 3:
                transport: Any = wire.transport
                transport.pauseProducing()
            wire.write(request)
            if number < 2:
                await self.until(lambda: guests.unsent >= len(wires) * size)
        await self.until(lambda: len(wires[3].received) > size)
        self.assertLessEqual(guests.unsent, lobby.UNSENT)
        for wire in wires[:3]:
            transport = wire.transport
            transport.resumeProducing()
        await wires[0].lost
        await self.until(lambda: len(wires[2].received) > size)
        self.assertLess(len(wires[0].received), size)
        await self.until(lambda: guests.unsent == 0)


class CrowdTests(Requests):
    """
    Tests for very many connections without a request.
    """

    limits = {"handshakeTimeout": 300.0}  # noqa: RUF012

    def config(self) -> Config:
        """The configuration, with the lowest possible limit."""
        config = super().config()
        return replace(config, limits=replace(config.limits, connections=LEAST))

    async def test_oldest(self) -> None:
        """
        If there are too many connections without a request, the daemon drops the one that has
        waited longest, and answers the others.
        """
        idle = [await self.raw() for _ in range(LEAST)]
        await self.until(lambda: len(self.daemon.listening.lobby) == LEAST)
        status, _, _ = await self.http("GET", "/health")
        self.assertEqual(status, 200)
        await idle[0].lost
        self.assertEqual(sum(wire.transport is not None for wire in idle), LEAST - 1)
        for _ in range(2):
            idle.append(await self.raw())
        await idle[1].lost
        self.assertEqual(sum(wire.transport is not None for wire in idle), LEAST)

    async def test_webSockets(self) -> None:
        """
        WebSockets do not count as connections without a request.
        """
        for _ in range(5):
            await self.client()
        self.assertEqual(len(self.daemon.listening.lobby), 0)
        self.assertEqual((await self.rpc("nothing", key=SECRET_KEY))[0], 404)
