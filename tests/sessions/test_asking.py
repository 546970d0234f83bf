"""
Tests for L{aerostack.sessions.asking}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.errors import RealtimeError
from aerostack.protocol.clientframes import Subscribe
from aerostack.sessions.asking import checkRequest

ROOM, TABLE = Topic("chat/a", "p"), tableTopic("orders", "p")


class CheckTests(SynchronousTestCase):
    """
    Tests for L{checkRequest}.
    """

    def check(self, topic: Topic, policy: object = None, **options: Any) -> str | None:
        """
        Check a request.

        @param policy: What holds for the values of the topic.
        @return: The words of the refusal.
        """
        frame = Subscribe(topic=topic.canonical, **options)
        try:
            checkRequest(topic, frame, lambda canonical: policy, 100)
        except RealtimeError as error:
            self.assertEqual(error.code, "invalid_frame")
            return error.message
        return None

    def test_plain(self) -> None:
        """
        A request without options can be carried out on any topic.
        """
        self.assertIsNone(self.check(ROOM))
        self.assertIsNone(self.check(TABLE))
        self.assertIsNone(self.check(ROOM, object()))

    def test_tables(self) -> None:
        """
        What a table's topic takes is refused elsewhere.
        """
        for options in ({"filter": "id=eq.1"}, {"columns": ["id"]}, {"event": "INSERT"}):
            self.assertIn("Only a table's topic takes", self.check(ROOM, **options) or "")
        self.assertIn("has a snapshot", self.check(ROOM, snapshot=True) or "")

    def test_rewind(self) -> None:
        """
        A rewind is within its bounds, and not on a table's topic or a keyed one.
        """
        self.assertIsNone(self.check(ROOM, rewind=100))
        self.assertIn("it can be 0 to 100", self.check(ROOM, rewind=101) or "")
        self.assertIn("has no rewind", self.check(TABLE, rewind=1) or "")
        self.assertIn("A keyed topic", self.check(ROOM, object(), rewind=1) or "")
        self.assertIsNone(self.check(ROOM, object(), rewind=0))

    def test_snapshot(self) -> None:
        """
        An order or a limit comes with a snapshot.
        """
        self.assertIn("for a snapshot", self.check(TABLE, limit=5) or "")
        self.assertIsNone(self.check(TABLE, limit=5, snapshot=True))
