"""
Tests of the daemon when the clock is set while it runs.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import CLOSE_SILENT, CLOSE_TOKEN
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import JWTConfig
from aerostack.testing import TOKEN_SECRET, World, makeProject
from tests.auth.tokens import NOW, sign

HOUR = 3600.0


class SetClockTests(SynchronousTestCase):
    """
    Tests with connected clients and a new time of day.
    """

    def setUp(self) -> None:
        self.world = World(
            projects={"p": makeProject(jwt=JWTConfig("HS256", TOKEN_SECRET))},
            limits=LimitsConfig(
                pingInterval=25, pongTimeout=20, framesPerSecond=1, framesBurst=100
            ),
            grace=10.0,
        )

    def test_silent(self) -> None:
        """
        A client that does not answer pings is closed in time.
        """
        client = self.world.connect()
        self.world.stepped = -HOUR
        self.world.advance(47)
        self.assertEqual(client.connection.closing, (CLOSE_SILENT, "no answer to ping"))

    def test_allowance(self) -> None:
        """
        The rate limit of a client refills.
        """
        client = self.world.connect()
        publication = {"type": "publish", "topic": "a/b", "event": "e", "id": "1"}
        for _ in range(100):
            client.send(**publication)
        self.world.stepped = -HOUR
        client.take()
        self.assertEqual([frame["type"] for frame in client.ask(**publication)], ["error"])
        self.world.advance(2)
        self.assertEqual([frame["type"] for frame in client.ask(**publication)], ["ack"])

    def test_presence(self) -> None:
        """
        A member whose connection broke leaves when its grace is over.
        """
        lost, witness = self.world.connect(), self.world.connect()
        witness.ask(type="subscribe", topic="a/b")
        lost.ask(type="track", topic="a/b", state={})
        witness.take()
        lost.die()
        self.world.stepped = -HOUR
        self.world.advance(11)
        self.assertEqual([frame["event"] for frame in witness.take()], ["presence:leave"])

    def test_repeats(self) -> None:
        """
        A publication with a known id counts once within the window, and again after it.
        """
        client = self.world.connect(key=makeProject().publicKey, userId="ann")
        witness = self.world.connect()
        witness.ask(type="subscribe", topic="a/b")
        publish = {"type": "publish", "topic": "a/b", "event": "e", "data": 1, "id": "1"}
        client.ask(**publish)
        self.world.stepped = HOUR
        client.ask(**publish)
        self.assertEqual(len(witness.take()), 1)
        self.world.stepped = -HOUR
        for _ in range(122):
            self.world.advance(1)
            client.session.heard()
            witness.session.heard()
        client.ask(**publish)
        self.assertEqual(len(witness.take()), 1)

    def test_stamps(self) -> None:
        """
        Time stamps of events are the time of day.
        """
        client = self.world.connect()
        client.ask(type="subscribe", topic="a/b")
        self.world.stepped = -HOUR
        (event,) = client.ask(type="publish", topic="a/b", event="e", data=1)
        self.assertEqual(event["timestamp"], (NOW - HOUR) * 1000)

    def test_tokenEarlier(self) -> None:
        """
        A token expires by the time of day, which the next ping notices.
        """
        client = self.world.connect(token=sign(TOKEN_SECRET, exp=NOW + HOUR))
        self.world.stepped = HOUR
        self.world.advance(26)
        assert client.connection.closing is not None
        self.assertEqual(client.connection.closing[0], CLOSE_TOKEN)

    def test_tokenLater(self) -> None:
        """
        A token does not expire before the time of day says so.
        """
        client = self.world.connect(token=sign(TOKEN_SECRET, exp=NOW + 60))
        self.world.stepped = -HOUR
        for _ in range(70):
            self.world.advance(1)
            client.session.heard()
        self.assertIsNone(client.connection.closing)
        self.world.stepped = 0.0
        self.world.advance(26)
        assert client.connection.closing is not None
        self.assertEqual(client.connection.closing[0], CLOSE_TOKEN)

    def test_afterRestart(self) -> None:
        """
        After a restart the daemon recognizes the id of an earlier kept message for the rest of the
        window, by the time of day.
        """
        publish = {
            **{"type": "publish", "topic": "a/b", "event": "e", "data": 1},
            **{"id": "1", "persist": True},
        }
        client = self.world.connect(key=makeProject().publicKey, userId="ann")
        client.ask(**publish)
        self.world.stepped = 100.0
        self.world.restart()
        for seconds, kept in ((1, 1), (30, 2)):
            self.world.advance(seconds)
            self.world.connect(key=makeProject().publicKey, userId="ann").ask(**publish)
            self.assertEqual(len(self.world.history.messages), kept)
