"""
Tests for tokens that expire and change, with a daemon in memory.
"""

from __future__ import annotations

from tests.client.worlds import AWAY, WorldTestCase
from tests.live.clients import makeToken


class TokenTests(WorldTestCase):
    """
    Tests for tokens.
    """

    def token(self, seconds: float, sub: str = "ann") -> str:
        return makeToken(sub, exp=self.world.clock.seconds() + seconds)

    def test_expired(self) -> None:
        """
        A client whose token expires gives up and says so; with another token it resumes.
        """
        client = self.client(None, token=self.token(5))
        channel = client.channel("chat/a")
        heard = self.heard(channel)
        self.result(channel.subscribe())
        self.world.advance(10)
        self.assertEqual(client.status, "disconnected")
        self.assertEqual(set(self.errors), {"token_expired"})
        self.assertEqual(self.refusal(channel.publish("e", 1)), "token_expired")
        self.world.sdk().socket.emit("e", 2, "chat/a")
        self.world.advance(120)
        self.assertEqual(self.world.wires, [])
        client.setToken(self.token(60))
        self.world.turn()
        self.assertEqual((client.status, heard), ("connected", [2]))

    def test_renewed(self) -> None:
        """
        A token that is renewed in time counts from then on.
        """
        client = self.client(None, token=self.token(5))
        client.setToken(self.token(600))
        self.world.advance(20)
        self.assertEqual((client.status, self.errors), ("connected", []))
        self.away()
        self.assertEqual(client.status, "connected")

    def test_renewedRightThere(self) -> None:
        """
        A client that gets another token in the callback of the error is accepted again.
        """
        client = self.client(None, token=self.token(5))
        client.onError(
            lambda error: error.code == "token_expired" and client.setToken(self.token(600))
        )
        self.world.history.held = []
        waiting = client.channel("chat/a").publish("e", 1, persist=True)
        self.world.advance(AWAY)
        self.assertEqual(client.status, "connected")
        # Whoever waited goes on waiting.
        self.world.history.release()
        self.result(waiting)

    def test_refusedAndRenewed(self) -> None:
        """
        A client that gets another token after a refused opening is accepted, and does what waited.
        """
        client = self.world.realtime(token=self.token(-5), projectId="p")
        client.onError(lambda error: client.setToken(self.token(600)))
        waiting = client.channel("chat/a").publish("e", 1)
        client.startService()
        self.result(waiting)
        self.assertEqual(client.status, "connected")

    def test_bad(self) -> None:
        """
        A bad token ends the client after one more attempt.
        """
        client = self.client(None, token=self.token(60))
        client.setToken("a.b.c")
        self.world.advance(AWAY)
        self.assertEqual(client.status, "disconnected")
        self.assertEqual(self.errors[-1], "invalid_token")
        tries = len(self.errors)
        self.world.advance(AWAY)
        self.assertEqual(len(self.errors), tries)

    def test_impossible(self) -> None:
        """
        A value that can be no token is refused at once.
        """
        client = self.client()
        self.assertRaises(ValueError, client.setToken, "two words")
