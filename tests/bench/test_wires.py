"""
Tests for the protocols in C{bench/wires.py}.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase
from wires import AerostackDialect, Answer, CentrifugeDialect, Event, Said


class AerostackDialectTests(SynchronousTestCase):
    """
    Tests for L{AerostackDialect}.
    """

    def test_read(self) -> None:
        """
        Events, answers and errors are told apart, and topics are named as the client names them.
        """
        frames: list[dict[str, object]] = [
            {"type": "event", "topic": "a/b/bench", "event": "n", "data": 1},
            {"type": "subscribed", "topic": "a/b/bench"},
            {"type": "ack", "id": "7"},
            {"type": "error", "id": "8", "message": "No."},
            {"type": "error", "topic": "a/b/bench", "message": "No."},
            {"type": "pong"},
        ]
        dialect = AerostackDialect()
        found = [heard for frame in frames for heard in dialect.read(json.dumps(frame))]
        self.assertEqual(
            found,
            [
                Event("a/b", "n", 1),
                Answer("a/b", None, frames[1]),
                Answer("7", None, frames[2]),
                Answer("8", "No.", frames[3]),
                Answer("a/b", "No.", frames[4]),
                Said(frames[5]),
            ],
        )


class CentrifugeDialectTests(SynchronousTestCase):
    """
    Tests for L{CentrifugeDialect}.
    """

    def setUp(self) -> None:
        self.dialect = CentrifugeDialect()

    def test_answers(self) -> None:
        """
        An answer to a subscription is known by the topic, one to a publication by its number.
        """
        number = json.loads(self.dialect.subscribe("a/b"))["id"]
        published = json.loads(self.dialect.publish("a/b", 1, 5))["id"]
        frames: list[dict[str, object]] = [
            {"id": number, "subscribe": {"epoch": "e"}},
            {"id": published, "error": {"message": "No."}},
        ]
        self.assertEqual(
            list(self.dialect.read("\n".join(map(json.dumps, frames)))),
            [Answer("a/b", None, frames[0]), Answer("5", "No.", frames[1])],
        )

    def test_pushes(self) -> None:
        """
        A publication is an event, and it is also told as it came, with its offset.
        """
        frame = {"push": {"channel": "a/b", "pub": {"data": 1, "offset": 3}}}
        self.assertEqual(
            list(self.dialect.read(json.dumps(frame))), [Event("a/b", "n", 1), Said(frame)]
        )
