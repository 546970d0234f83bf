"""
Users that a server disconnects or revokes, with the Python client.
"""

from __future__ import annotations

from typing import Any

from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from tests.client.worlds import AWAY, WorldTestCase
from tests.live.clients import makeToken


class RemovingTests(WorldTestCase):
    """
    Tests for C{user.disconnect} and C{user.revoke}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.said: list[tuple[str, str]] = []

    def token(self, sub: str = "ann") -> str:
        """
        A token that was issued now.
        """
        return makeToken(sub, iat=int(self.world.wall()))

    def connect(self, sub: str = "ann") -> RealtimeClient:
        """
        Connect with a token that was issued now.
        """
        client = self.client(None, token=self.token(sub))

        def note(error: ClientError) -> None:
            self.said.append((error.code, error.message))

        client.onError(note)
        return client

    def server(self, method: str, *args: Any, **options: Any) -> Any:
        """
        Call a method of a server's SDK.
        """
        return self.result(getattr(self.world.sdk().user, method)(*args, **options))

    def test_disconnected(self) -> None:
        """
        A disconnected client learns the reason, comes back by itself, and misses nothing.
        """
        client = self.connect()
        channel = client.channel("chat/a")
        heard = self.heard(channel)
        self.result(channel.subscribe())
        answer = self.server("disconnect", "ann", reason="Sign in again.")
        self.assertEqual((answer["connections"], answer["unconfirmed"]), (1, []))
        self.assertEqual(client.status, "reconnecting")
        self.assertIn("4010: Sign in again.", self.said[0][1])
        self.world.sdk().socket.emit("e", 1, "chat/a")
        self.world.advance(AWAY)
        self.assertEqual((client.status, heard), ("connected", [1]))

    def test_delay(self) -> None:
        """
        A client stays away for as long as the reason says.
        """
        client = self.connect()
        self.server("disconnect", "ann", reason="Too busy; reconnect in 60000 ms.", code=4200)
        self.world.advance(59)
        self.assertEqual(client.status, "reconnecting")
        self.world.advance(2)
        self.assertEqual(client.status, "connected")

    def test_revoked(self) -> None:
        """
        A client with a revoked token learns the reason, and stays away until it has a new one.
        Its publications wait for that.
        """
        client, other = self.connect(), self.connect("bob")
        self.world.advance(1)
        answer = self.server("revoke", "ann", seconds=3600, reason="stolen")
        self.assertEqual(answer["connections"], 1)
        self.assertEqual((client.status, other.status), ("disconnected", "connected"))
        self.assertEqual(self.said[0][0], "token_revoked")
        self.assertIn("(stolen)", self.said[0][1])
        self.world.advance(AWAY)
        self.assertEqual((client.status, len(self.world.wires)), ("disconnected", 1))
        client.setToken(self.token())
        self.world.turn()
        self.assertEqual(client.status, "connected")

    def test_revokedAway(self) -> None:
        """
        A client whose token is revoked while it is away finds that out when it comes back.
        """
        client = self.connect()
        self.world.advance(1)
        self.world.reachable = False
        self.world.cut()
        self.assertEqual(self.server("revoke", "ann", seconds=3600)["connections"], 0)
        self.world.reachable = True
        self.world.advance(AWAY)
        self.assertEqual(client.status, "disconnected")
        self.assertIn("token_revoked", [code for code, _ in self.said])

    def test_restarted(self) -> None:
        """
        The daemon still refuses the token after a restart.
        """
        client = self.connect()
        self.world.advance(1)
        self.server("revoke", "ann", seconds=3600)
        self.world.restart()
        again = self.world.realtime(token=makeToken("ann", iat=0), projectId="p")
        codes: list[str] = []
        again.onError(lambda error: codes.append(error.code))
        again.startService()
        self.world.turn()
        self.assertEqual((again.status, codes), ("disconnected", ["token_revoked"]))
        self.assertEqual(client.status, "disconnected")

    def test_presence(self) -> None:
        """
        Others see a disconnected user leave at once and come back.
        """
        client, other = self.connect(), self.connect("bob")
        client.channel("doc/1").track({"x": 1})
        watched = other.channel("doc/1")
        heard: list[str] = []
        for event in ("join", "leave"):
            watched.on(f"presence:{event}", lambda frame: heard.append(frame["event"]))
        self.result(watched.subscribe())
        self.server("disconnect", "ann")
        self.assertEqual(heard, ["presence:leave"])
        self.world.advance(AWAY)
        self.assertEqual(heard, ["presence:leave", "presence:join"])
