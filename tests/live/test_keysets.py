"""
Tokens whose keys an identity provider publishes.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from aerostack.auth import keysets
from aerostack.server import keysets as fetching
from aerostack.server.keysets import BYTES, FetchError, KeyFetcher
from aerostack.settings.projects import JWTConfig, ProjectConfig
from tests.auth.tokens import EC, ED, OTHER_RSA, RSA, sign, webKey
from tests.live.daemon import DaemonTests
from tests.live.wire import Refused, Wire
from tests.ports import freePort

KEYS = (
    webKey("RS256", RSA, kid="rsa"),
    webKey("ES256", EC, kid="ec"),
    webKey("EdDSA", ED, kid="ed"),
)


class Provider(Resource):
    """
    Serves a key set.

    @ivar body: The answer; L{None} for none at all.
    @ivar status: Its status.
    @ivar asked: How often it was asked.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.body: bytes | None = json.dumps({"keys": KEYS}).encode()
        self.status = 200
        self.asked = 0

    def render_GET(self, request: Request) -> Any:
        self.asked += 1
        if self.body is None:
            return NOT_DONE_YET
        if self.status in (302, 307):
            request.setHeader(b"location", b"/elsewhere")
        request.setResponseCode(self.status)
        return self.body

    def listen(self, test: TestCase, port: int = 0) -> tuple[IListeningPort, str]:
        """
        Serve on a port of this machine.

        @return: The port, and the URL.
        """
        from twisted.internet import reactor

        # Nobody else gets the port after this has stopped to listen.
        port = port or freePort(test)
        served: Any = reactor.listenTCP(port, Site(self), interface="127.0.0.1")  # type: ignore[attr-defined]
        test.addCleanup(served.stopListening)
        return served, f"http://127.0.0.1:{served.getHost().port}/jwks.json"


class FetcherTests(TestCase):
    """
    Tests for L{KeyFetcher}.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.provider = Provider()
        self.port, self.url = self.provider.listen(self)
        self.fetcher = KeyFetcher(reactor)

    async def refused(self) -> str:
        """
        Why a set cannot be fetched.
        """
        error = await self.assertFailure(self.fetcher.fetch(self.url), FetchError)
        return str(error)

    async def test_fetched(self) -> None:
        """
        The fetcher gives what the provider sends.
        """
        self.assertEqual(await self.fetcher.fetch(self.url), self.provider.body)

    async def test_redirected(self) -> None:
        """
        A redirect is not followed: it could lead to any server that the machine reaches.
        """
        self.provider.status = 302
        self.assertIn("not followed", await self.refused())
        self.assertEqual(self.provider.asked, 1)

    async def test_faults(self) -> None:
        """
        Another status, too large an answer, no answer in time and no server are errors that say so.
        """
        self.provider.status = 500
        self.assertIn("status 500", await self.refused())
        self.provider.status, self.provider.body = 200, b" " * (BYTES + 1)
        self.assertIn("more than", await self.refused())
        patience = self.patch(fetching, "WHOLE", 0.1)
        self.provider.body = None
        self.assertIn("within 0.1 seconds", await self.refused())
        patience.restore()
        await self.port.stopListening()
        self.assertIn("cannot be reached", await self.refused())


class TokensTests(DaemonTests):
    """
    Tests for a daemon that fetches keys.
    """

    # The test looks into the daemon's objects.
    workers = 1

    async def setUp(self) -> None:
        self.provider = Provider()
        self.server, self.url = self.provider.listen(self)
        await super().setUp()

    def projects(self) -> dict[str, ProjectConfig]:
        kinds = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}
        return {
            name: ProjectConfig(name, jwt=JWTConfig(algorithm, jwksUrl=self.url))
            for name, algorithm in kinds.items()
        }

    async def enter(self, project: str, token: str) -> Wire:
        """
        Connect with a token.
        """
        wire = await self.wire()
        protocols = f"aerostack-v1, aerostack-token.{token}"
        path = f"/api/realtime?projectId={project}"
        await wire.upgrade(path, {"Sec-WebSocket-Protocol": protocols})
        return wire

    async def test_together(self) -> None:
        """
        Tokens of all kinds open connections and requests, also the first, which come before the
        keys.  After a rotation new tokens hold at once, over WebSockets, C{auth} and HTTP.  While
        the provider is away, known keys go on, and unknown ones are refused with 503.  A key that
        is taken away ends its clients' connections.
        """
        for project, key, algorithm in (
            ("rsa", RSA, "RS256"),
            ("ec", EC, "ES256"),
            ("ed", ED, "EdDSA"),
        ):
            await self.enter(project, sign(key, algorithm, project))
        self.assertEqual(self.provider.asked, 1)
        self.patch(keysets, "COOLDOWN", 0.0)
        rotated = webKey("RS256", OTHER_RSA, kid="next")
        self.provider.body = json.dumps({"keys": [*KEYS, rotated]}).encode()
        token = sign(OTHER_RSA, "RS256", "next")
        wire = await self.enter("rsa", token)
        self.assertEqual(self.provider.asked, 2)
        self.provider.body = json.dumps(
            {"keys": [*KEYS, rotated, {**rotated, "kid": "third"}]}
        ).encode()
        wire.tell({"type": "auth", "token": sign(OTHER_RSA, "RS256", "third", sub="bob")})
        wire.tell({"type": "subscribe", "topic": "chat/a"})
        self.assertEqual((await wire.frame())["type"], "subscribed")
        await self.until(lambda: "bob" in self.users())
        self.provider.body = json.dumps({"keys": [{**rotated, "kid": "fourth"}, rotated]}).encode()
        self.assertEqual(await self.history(sign(OTHER_RSA, "RS256", "fourth")), 200)
        # The clients of the first keys have to bring other tokens.
        await self.until(lambda: len(self.daemon.front.connections) == 1)

        await self.server.stopListening()
        error = await self.assertFailure(
            Deferred.fromCoroutine(self.enter("rsa", sign(RSA, "RS256", "rsa"))), Refused
        )
        self.assertEqual((error.status, error.body["error"]), (503, "keys_unavailable"))
        self.assertEqual(await self.history(sign(RSA, "RS256", "rsa")), 503)
        await self.enter("rsa", token)

    def users(self) -> set[str | None]:
        """
        The users who are connected.
        """
        return {session.identity.userId for session in self.daemon.front.connections.sessions()}

    async def history(self, token: str) -> int:
        """
        Ask for a topic's messages; give the status.
        """
        path = "/api/v1/public/realtime/history?room=chat/a&projectId=rsa"
        status, _, _ = await self.http("GET", path, Authorization=f"Bearer {token}")
        return status
