"""
Publications to a keyed topic that have a condition.
"""

from __future__ import annotations

import jwt

from aerostack.client.errors import ClientError
from aerostack.settings.projects import JWTConfig
from aerostack.testing import (
    SECRET_KEY,
    TOKEN_SECRET,
    World,
    makeProject,
)
from tests.stories.keyed import CANONICAL, TOPIC, KeyedCase, makeRules


class ConditionTests(KeyedCase):
    """
    Tests for C{ifNew} and C{ifPos}.
    """

    def test_ifNew(self) -> None:
        """
        With C{ifNew} a value is made only where there is none.
        """
        self.assertEqual(self.put("a", 1, ifNew=True)["type"], "ack")
        answer = self.put("a", 2, ifNew=True, id=2)
        self.assertEqual(
            (answer["code"], answer["pos"], answer["data"]), ("stale", self.posOf("a"), 1)
        )
        self.put("a", None)
        self.assertEqual(self.put("a", 3, ifNew=True, id=3)["type"], "ack")

    def test_ifPos(self) -> None:
        """
        With C{ifPos} a value is changed only if the publisher has seen the newest one.
        """
        self.put("a", 1)
        first = self.posOf("a")
        self.assertEqual(self.put("a", 2, ifPos=first, id=2)["type"], "ack")
        answer = self.put("a", 3, ifPos=first, id=3)
        self.assertEqual(
            (answer["code"], answer["pos"], answer["data"]), ("stale", self.posOf("a"), 2)
        )
        answer = self.put("b", 3, ifPos=first, id=4)
        self.assertEqual((answer["code"], answer["pos"], answer["data"]), ("stale", None, None))

    def test_ifNewUnread(self) -> None:
        """
        A publisher that may not subscribe learns by a condition neither the data nor the position
        of a value, and C{update} of its client fails.
        """
        project = makeProject(jwt=JWTConfig("HS256", TOKEN_SECRET, None))
        self.world = World({"p": project}, rules=makeRules())
        claims = {"sub": "eve", "exp": self.world.clock.seconds() + 600}
        topics = {"publish": ["state/*"]}
        token = jwt.encode({**claims, "topics": topics}, TOKEN_SECRET, "HS256")
        self.publisher = self.world.connect(projectId="p", token=token)
        self.assertEqual(self.put("a", "hidden", ifNew=True)["type"], "ack")
        for condition in ({"ifNew": True}, {"ifPos": "e9-1-0"}):
            answer = self.put("a", 2, id=2, **condition)
            self.assertEqual((answer["code"], answer["topic"]), ("stale", CANONICAL))
            self.assertEqual(answer.keys() & {"pos", "data"}, set())
        client = self.world.realtime(token=token)
        client.startService()
        self.world.turn()
        updated = client.channel(TOPIC).sharedState.update("a", lambda data: data)
        self.world.turn()
        self.assertEqual(self.failureResultOf(updated, ClientError).value.code, "stale")

    def test_repeated(self) -> None:
        """
        A publication that comes again is acknowledged again, although its condition holds no more.
        """
        self.put("a", 1, ifNew=True, id=7)
        self.assertEqual(self.put("a", 1, ifNew=True, id=7)["type"], "ack")
        self.assertEqual(self.put("b", 1, ifNew=True, id=7)["type"], "ack")

    def test_race(self) -> None:
        """
        Of two writers with the same condition one is accepted, although the database is slow.
        """
        self.world.history.held = []
        other = self.world.connect(userId="bob")
        frame = {"type": "publish", "topic": TOPIC, "event": "set", "key": "a", "id": 1}
        self.publisher.send(**frame, data=1, persist=True, ifNew=True)
        other.send(**frame, data=2, ifNew=True)
        other.send(**{**frame, "key": "b", "id": 2}, data=3)
        self.assertEqual(other.take(), [])
        self.world.history.release()
        self.assertEqual(self.publisher.take(), [{"type": "ack", "id": 1}])
        error, ack = other.take()
        self.assertEqual((error["code"], error["data"]), ("stale", 1))
        self.assertEqual(ack, {"type": "ack", "id": 2})
        self.assertEqual(self.newcomer().values, {"a": 1, "b": 3})

    def test_race_lost(self) -> None:
        """
        If the database refuses the first of two writers, the second one is accepted.
        """
        self.world.history.held = []
        other = self.world.connect(userId="bob")
        frame = {"type": "publish", "topic": TOPIC, "event": "set", "key": "a", "id": 1}
        self.publisher.send(**frame, data=1, persist=True, ifNew=True)
        other.send(**frame, data=2, ifNew=True)
        self.world.history.refuse()
        self.assertEqual(self.publisher.take()[0]["code"], "database_unavailable")
        self.assertEqual(other.take(), [{"type": "ack", "id": 1}])

    def test_servers(self) -> None:
        """
        A server emits with a key and a condition, and learns of the present value.
        """
        sdk = self.world.sdk(SECRET_KEY)
        emitted = sdk.socket.emit("set", 1, TOPIC, key="a", ifNew=True)
        self.world.turn()
        self.successResultOf(emitted)
        self.assertEqual(self.newcomer().values, {"a": 1})
        again = sdk.socket.emit("set", 2, TOPIC, key="a", ifNew=True)
        self.world.turn()
        error = self.failureResultOf(again).value
        self.assertEqual(error.code, "stale")
        self.assertEqual(error.details, {"pos": self.posOf("a"), "data": 1})
        self.assertIn("The key a has a value that the condition does not expect", error.message)
        table = sdk.socket.emit("set", 1, "orders", key="a")
        self.world.turn()
        error = self.failureResultOf(table).value
        self.assertEqual(error.message, "A table's topic is not keyed: publish without a key.")
