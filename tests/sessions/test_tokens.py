"""
Tests for L{aerostack.sessions.commands}: C{auth}, and tokens that expire.
"""

from __future__ import annotations

from typing import Any

import jwt
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import CLOSE_TOKEN
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import JWTConfig
from aerostack.testing import TOKEN_SECRET, World, makeProject
from tests.answers import codes, types


class TokenTests(SynchronousTestCase):
    """
    Tests for tokens on a live connection.
    """

    def setUp(self) -> None:
        project = makeProject(
            jwt=JWTConfig("HS256", TOKEN_SECRET, None), defaultRead=("anonymous", "token")
        )
        self.world = World({"p": project}, LimitsConfig(pingInterval=3600))

    def token(self, lasts: float | None = 60, **claims: Any) -> str:
        if lasts is not None:
            claims["exp"] = self.world.clock.seconds() + lasts
        return jwt.encode({"sub": "ann", **claims}, TOKEN_SECRET, "HS256")

    def connect(self, **claims: Any) -> Any:
        return self.world.connect(projectId="p", token=self.token(**claims))

    def test_expires(self) -> None:
        """
        The client gets an error and a close when its token expires.
        """
        client = self.connect()
        self.world.advance(58)
        self.assertIsNone(client.connection.closing)
        self.world.advance(3)
        self.assertEqual(codes(client.take()), ["token_expired"])
        self.assertEqual(client.connection.closing, (CLOSE_TOKEN, "token_expired"))

    def test_refreshed(self) -> None:
        """
        C{auth} with a new token keeps the connection open after the old token has expired.
        """
        client = self.connect()
        client.send(type="subscribe", topic="chat/x")
        self.world.advance(50)
        client.take()
        self.assertEqual(client.ask(type="auth", token=self.token(600)), [])
        self.world.advance(200)
        self.assertIsNone(client.connection.closing)
        self.assertIn(client.session, self.world.hub.registry.subscribers("chat/x/p"))

    def test_badToken(self) -> None:
        """
        C{auth} with an invalid token gets an error and a close.
        """
        client = self.connect()
        frames = client.ask(type="auth", token="nonsense")
        self.assertEqual(codes(frames), ["invalid_token"])
        self.assertEqual(client.connection.closing, (CLOSE_TOKEN, "invalid_token"))

    def test_narrowedByClaims(self) -> None:
        """
        The claims of a token limit the topics of subscriptions, publications and presence.
        """
        client = self.connect(
            topics={"subscribe": ["chat/*"], "publish": ["chat/a"], "presence": []}
        )
        self.assertEqual(types(client.ask(type="subscribe", topic="chat/b")), ["subscribed"])
        self.assertEqual(codes(client.ask(type="subscribe", topic="orders")), ["forbidden"])
        self.assertEqual(codes(client.ask(type="chat", roomId="b", text="x")), ["forbidden"])
        self.assertEqual(codes(client.ask(type="chat", roomId="a", text="x")), [])
        self.assertEqual(codes(client.ask(type="track", topic="chat/b", state={})), ["forbidden"])

    def test_narrowedWhileSubscribed(self) -> None:
        """
        A new token with fewer rights ends the subscriptions and the presence that it does not
        allow, and the client gets errors.
        """
        client = self.connect()
        for topic in ("chat/a", "chat/b", "orders"):
            client.send(type="subscribe", topic=topic)
        client.send(type="track", topic="chat/b", state={})
        client.take()
        frames = client.ask(type="auth", token=self.token(topics={"subscribe": ["chat/a"]}))
        self.assertEqual(
            sorted(f["topic"] for f in frames if f["type"] == "unsubscribed"),
            ["chat/b/p", "table/orders/p"],
        )
        self.assertEqual(set(self.world.hub.registry), {"chat/a/p"})
        self.assertEqual(self.world.tracker.watched, {})
        self.assertEqual(list(self.world.hub.presence.topicsOf(client.connectionId)), [])

    def test_otherUser(self) -> None:
        """
        The presence of the first user ends when the client sends the token of another user.
        """
        watcher = self.world.connect()
        watcher.ask(type="subscribe", topic="doc/1")
        client = self.connect()
        client.send(type="track", topic="doc/1", state={})
        watcher.take()
        client.send(type="auth", token=self.token(sub="bob"))
        self.assertEqual([f["event"] for f in watcher.take()], ["presence:leave"])
        client.send(type="track", topic="doc/1", state={})
        self.assertEqual([f["data"]["userId"] for f in watcher.take()], ["bob"])

    def test_narrowedWhileWaiting(self) -> None:
        """
        A request for a table fails if the client sends a token with fewer rights before the answer.
        """
        client = self.connect()
        self.world.tracker.asked = []
        client.send(type="subscribe", topic="orders")
        client.send(type="auth", token=self.token(topics={"subscribe": []}))
        self.world.tracker.asked.pop()()
        self.assertEqual(codes(client.take()), ["forbidden"])
        self.assertEqual(self.world.tracker.watched, {})
