"""
Limits for connections: of a project, of an address, and for the rate of new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint

from aerostack.server import front
from aerostack.sessions import reauthorizing
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.settings import Config
from aerostack.testing import makeProject
from tests.live.daemon import DaemonTests, gather
from tests.live.program import ProgramTests
from tests.live.wire import Refused, Wire
from tests.net import socketPath


class QuotaTests(DaemonTests):
    """
    Two projects on one daemon; C{p} has quotas.

    @cvar quotas: The quotas of C{p}.
    """

    quotas: Mapping[str, Any] = {}
    proxies: tuple[str, ...] = ("127.0.0.1/32",)

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(dbQuery=True, **self.quotas),
            "q": makeProject(id="q", publicKey=None, secretKey=None),
        }

    def config(self) -> Config:
        config = super().config()
        return replace(config, server=replace(config.server, trustedProxies=self.proxies))

    async def come(self, project: str = "p", **headers: str) -> Wire:
        """
        Connect, and expect success.
        """
        wire = await self.wire()
        await wire.upgrade(f"/api/realtime?projectId={project}", headers)
        return wire

    async def refused(self, project: str = "p", **headers: str) -> Refused:
        """
        Connect, and expect a refusal.
        """
        coming = Deferred.fromCoroutine(self.come(project, **headers))
        refused: Refused = await self.assertFailure(coming, Refused)
        delay = refused.body["retryAfter"]
        self.assertEqual(int(refused.headers["retry-after"]), ceil(delay / 1000))
        return refused

    def standStill(self, limiter: Any, ask: str) -> None:
        """
        A client that floods steadily is closed, although its rate limit refills meanwhile.
        """
        asked = getattr(limiter, ask)
        self.patch(limiter, ask, lambda *args: asked(*args[:-1], 0.0))

    async def left(self, wire: Wire) -> None:
        """
        Disconnect a client, and wait until the daemon has noticed.
        """
        before = self.connected
        wire.drop()
        while self.connected == before:
            await self.sleep(0.01)


class ProjectTests(QuotaTests):
    """
    Tests for the quotas of a project.
    """

    quotas = {"connections": 2, "framesPerSecond": 5.0, "bytesPerSecond": 2000}  # noqa: RUF012

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.standStill(self.daemon.node.shares, "spend")

    async def test_connections(self) -> None:
        """
        A connection beyond the project's quota gets 429 with a delay.  Another project is not
        affected, and a freed place can be used again.
        """
        first, _ = await self.come(), await self.come()
        refused = await self.refused()
        self.assertEqual((refused.status, refused.body["error"]), (429, "too_many_connections"))
        for _ in range(3):
            await self.come("q")
        await self.left(first)
        await self.come()

    async def test_nothingStays(self) -> None:
        """
        Connections that have ended, or were refused, do not count.
        """
        wires = [await self.come(), await self.come(), await self.come("q")]
        await self.refused()
        for wire in wires:
            await self.left(wire)
        books = self.daemon.node.shares
        self.assertEqual([len(books.connections), len(books.addresses)], [0, 0])

    async def test_frames(self) -> None:
        """
        A project beyond its rate gets C{error} frames, and over HTTP 429 with C{Retry-After};
        another project is served.
        """
        wire, other = await self.come(), await self.come("q")
        for n in range(12):
            wire.tell({"type": "publish", "topic": "a/b", "event": "e", "id": n})
        # A refusal may overtake an answer.
        frames = sorted(await wire.frames(12), key=lambda frame: frame["id"])
        self.assertEqual(frames[0], {"type": "ack", "id": 0})
        self.assertEqual(frames[-1]["code"], "rate_limited")
        self.assertGreater(frames[-1]["retryAfter"], 0)
        self.assumeOne("another worker may let one frame pass before it asks for the rate")
        status, answer = await self.rpc("socket.emit", "e", 1, "chat/a")
        self.assertEqual((status, answer["error"]), (429, "rate_limited"))
        status, answer, headers = await self.http(
            "GET", "/api/v1/public/realtime/history?room=chat/a/p"
        )
        self.assertEqual((status, answer["error"]), (429, "rate_limited"))
        self.assertEqual(headers.getRawHeaders("retry-after"), ["1"])
        for _ in range(12):
            other.tell({"type": "ping"})
        self.assertEqual(await other.frames(12), [{"type": "pong"}] * 12)

    async def test_bytes(self) -> None:
        """
        All bytes of an HTTP request count.
        """
        self.assumeOne("another worker may let one frame pass before it asks for the rate")
        data = "x" * 3000
        await self.emit("e", data, "chat/a")
        status, answer = await self.rpc("socket.emit", "e", data, "chat/a")
        self.assertEqual((status, answer["error"]), (429, "rate_limited"))
        self.assertGreater(answer["retryAfter"], 500)

    async def test_reload(self) -> None:
        """
        New quotas apply at once after a reload.
        """
        first, _ = await self.come(), await self.come()
        await self.refused()
        config = self.daemon.config
        await self.reload(replace(config, projects={"p": makeProject(connections=3)}))
        await self.come()
        await self.refused()
        await self.left(first)
        await self.come()


class AddressTests(QuotaTests):
    """
    Tests for the limit of an address.
    """

    limits = {"connectionsPerAddress": 2}  # noqa: RUF012

    async def test_proxied(self) -> None:
        """
        Behind a trusted proxy the daemon counts each client's own address, over all projects.
        """
        here = {"X-Forwarded-For": "203.0.113.5, 198.51.100.1"}
        first, _ = await self.come(**here), await self.come("q", **here)
        refused = await self.refused(**{"X-Forwarded-For": "198.51.100.1"})
        self.assertEqual((refused.status, refused.body["error"]), (429, "too_many_connections"))
        self.assertIn("An address", refused.body["message"])
        await self.come(**{"X-Forwarded-For": "198.51.100.2"})
        await self.left(first)
        await self.come(**here)

    async def test_direct(self) -> None:
        """
        Connections from the proxy without a forwarded address count for the proxy's address.
        """
        await self.come()
        await self.come()
        await self.refused()


class UntrustedTests(QuotaTests):
    """
    Tests for a daemon without a proxy.
    """

    limits = {"connectionsPerAddress": 2}  # noqa: RUF012
    proxies = ()

    async def test_forged(self) -> None:
        """
        A forwarded address from a client itself does not count.
        """
        for n in range(2):
            await self.come(**{"X-Forwarded-For": f"198.51.100.{n}"})
        await self.refused(**{"X-Forwarded-For": "198.51.100.9"})

    async def test_reload(self) -> None:
        """
        After a reload, the daemon uses the forwarded addresses of a newly trusted proxy.
        """
        for _ in range(2):
            await self.come()
        config = self.daemon.config
        trusted = replace(config.server, trustedProxies=("127.0.0.1/32",))
        await self.reload(replace(config, server=trusted))
        await self.come(**{"X-Forwarded-For": "198.51.100.9"})
        await self.refused()


class UnixTests(ProgramTests):
    """
    Tests for clients on a Unix socket.
    """

    async def test_exempt(self) -> None:
        """
        Clients on a Unix socket are not counted, unless a proxy there is trusted.
        """
        path = socketPath()
        where = UNIXClientEndpoint(self.reactor, str(path))
        limits = "[limits]\nconnections_per_address = 1"
        forwarded = {"X-Forwarded-For": "198.51.100.1"}
        daemon = await self.serve(self.configure(f"unix:{path}", more=limits))
        for _ in range(3):
            await self.client(endpoint=where, **forwarded)
        trusting = 'trusted_proxies = ["unix"]'
        self.config.write_text(self.configure(f"unix:{path}", server=trusting, more=limits))
        daemon.signal("HUP")
        await daemon.wrote("is taken up")
        await self.client(endpoint=where, **forwarded)
        coming = Deferred.fromCoroutine(self.client(endpoint=where, **forwarded))
        refused = await self.assertFailure(coming, Refused)
        self.assertEqual((refused.status, refused.body["error"]), (429, "too_many_connections"))
        await self.client(endpoint=where)


class AdmissionTests(QuotaTests):
    """
    Tests for new connections that come too fast.
    """

    limits = {"connectionsPerSecond": 0.1, "connectionsBurst": 3}  # noqa: RUF012

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.standStill(self.daemon.node.shares.admission, "check")

    async def test_overloaded(self) -> None:
        """
        Connections beyond the rate get 503, each with another delay, before their credentials are
        checked.  Existing connections stay.
        """
        wires = [await self.come() for _ in range(3)]
        refusals = [await self.refused() for _ in range(3)]
        for refused in refusals:
            self.assertEqual((refused.status, refused.body["error"]), (503, "overloaded"))
        delays = [refused.body["retryAfter"] for refused in refusals]
        self.assertEqual(len(set(delays)), 3)
        nobody = await self.refused("nobody")
        self.assertEqual(nobody.body["error"], "overloaded")
        for wire in wires:
            self.assertEqual(await wire.barrier(), [])

    async def test_reload(self) -> None:
        """
        A new rate applies at once after a reload.
        """
        for _ in range(3):
            await self.come()
        await self.refused()
        config = self.daemon.config
        limits = replace(config.limits, connectionsPerSecond=None)
        await self.reload(replace(config, limits=limits))
        await gather(*(self.come() for _ in range(20)))

    async def test_elsewhere(self) -> None:
        """
        Requests that open no WebSocket do not count.
        """
        for _ in range(5):
            status, _, _ = await self.http("GET", "/api/realtime?projectId=p")
            self.assertEqual(status, 426)
        for _ in range(3):
            await self.come()


class LagTests(QuotaTests):
    """
    Tests for a daemon whose event loop is late.
    """

    longest = 600.0
    limits = {"lag": longest}  # noqa: RUF012

    async def test_behind(self) -> None:
        """
        While the event loop is late, the daemon refuses new connections and serves the existing
        ones.  When it has caught up, it accepts connections again.
        """
        wire = await self.come()
        # The lag only halves with each measurement, of which the next refusal is not to need many.
        self.front.lag.measured(self.longest * 2**12)
        refused = await self.refused()
        self.assertEqual((refused.status, refused.body["error"]), (503, "overloaded"))
        self.assertEqual(await wire.barrier(), [])
        while self.front.lag.behind:
            await self.sleep(0.1)
        await self.come()


class StormTests(QuotaTests):
    """
    Tests for many openings at once.
    """

    # The openings of all clients wait for each other, in one process with the daemon.
    limits = {"handshakeTimeout": 300.0}  # noqa: RUF012

    async def test_storm(self) -> None:
        """
        With default limits, except that the daemon and an opening may be late, the daemon serves
        every one of many clients that connect and subscribe at once.
        """

        async def subscribe() -> None:
            wire = await self.come()
            wire.tell({"type": "subscribe", "topic": "chat/a"})
            self.assertEqual((await wire.frame())["type"], "subscribed")

        await gather(*(subscribe() for _ in range(300)))
        self.assertEqual(self.daemon.node.shares.connections["p"], 300)
        self.assertEqual(self.daemon.node.shares.subscriptions["p"], 300)

    async def test_left(self) -> None:
        """
        A stop waits for the work that follows when clients have gone, although it takes some turns.
        """
        self.patch(front, "LEAVING", 60.0)
        self.patch(reauthorizing, "STEPS", 1)
        ended: list[bool] = []

        def work() -> Iterator[None]:
            # The clients go after the daemon has closed its port.
            while self.daemon.listening.ports[0].connected:
                yield
            for _ in range(5):
                yield
            ended.append(bool(self.daemon.running))

        self.daemon.front._services.context.reauthorizing.ask(self, work())
        await self.daemon.stopService()
        self.assertEqual(ended, [True])
