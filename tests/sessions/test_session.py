"""
Tests for L{aerostack.sessions.session}: pings, closing, and frames that are not valid.
"""

from __future__ import annotations

import json

from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.topics.patterns import Patterns
from aerostack.errors import (
    CLOSE_INTERNAL,
    CLOSE_SILENT,
    CLOSE_SLOW,
    CLOSE_UNSUPPORTED,
)
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import World
from tests.answers import codes, types


class LivenessTests(SynchronousTestCase):
    """
    Tests for pings, slow readers and closing.
    """

    def setUp(self) -> None:
        self.world = World(
            limits=LimitsConfig(pingInterval=25, pongTimeout=20, closeTimeout=5, outboxBytes=10_000)
        )
        self.client = self.world.connect()
        self.connection = self.client.connection

    def test_pinged(self) -> None:
        """
        A connection that answers its pings stays.
        """
        for _ in range(300):
            self.world.advance(1)
            if self.connection.pings:
                self.client.session.heard()
        self.assertGreater(self.connection.pings, 5)
        self.assertIsNone(self.connection.closing)

    def test_silent(self) -> None:
        """
        A connection that does not answer is closed, and dropped if it does not
        answer that either.
        """
        self.world.advance(26)
        self.assertEqual(self.connection.pings, 1)
        self.assertIsNone(self.connection.closing)
        self.world.advance(21)
        self.assertEqual(self.connection.closing, (CLOSE_SILENT, "no answer to ping"))
        self.assertFalse(self.connection.aborted)
        self.world.advance(6)
        self.assertTrue(self.connection.aborted)

    def test_applicationPing(self) -> None:
        """
        C{ping} is answered C{pong}.
        """
        self.assertEqual(self.client.ask(type="ping"), [{"type": "pong"}])

    def test_slow(self) -> None:
        """
        The daemon closes a connection for which too many bytes wait, and sends no more on it.
        """
        self.client.ask(type="subscribe", topic="a/b")
        other = self.world.connect()
        self.client.session.congested()
        for _ in range(20):
            other.send(type="publish", topic="a/b", event="e", data="x" * 1000)
        self.world.turn()
        self.assertEqual(self.connection.closing, (CLOSE_SLOW, "reading too slowly; resume"))
        self.assertLess(len(json.dumps(self.client.take())), 12_000)

    def test_slowButReading(self) -> None:
        """
        A client that reads late, but catches up, stays connected.
        """
        self.client.ask(type="subscribe", topic="a/b")
        other = self.world.connect()
        for _ in range(20):
            self.client.session.congested()
            for _ in range(5):
                other.send(type="publish", topic="a/b", event="e", data="x" * 1000)
            self.client.session.drained()
        self.assertIsNone(self.connection.closing)
        self.assertEqual(len(self.client.take()), 100)

    def test_nothingAfterEnd(self) -> None:
        """
        After its end, a connection leaves nothing in memory.
        """
        self.client.ask(type="subscribe", topic="a/b")
        self.client.close()
        self.assertEqual(len(self.world.hub.registry), 0)
        self.assertEqual(len(self.world.deadlines), 0)


class BadInputTests(SynchronousTestCase):
    """
    Tests for frames that are not valid, and for faults of the daemon.
    """

    def setUp(self) -> None:
        self.world = World(limits=LimitsConfig(framesPerSecond=10, framesBurst=50))
        self.client = self.world.connect()

    def test_errors(self) -> None:
        """
        Each kind of invalid frame gets its documented code, and the connection stays.
        """
        for payload, code in (
            (b"nonsense", "invalid_json"),
            (b"", "invalid_json"),
            (b"[]", "invalid_frame"),
            (b"7", "invalid_frame"),
            (b"{}", "unknown_type"),
            (b'{"type":"fly"}', "unknown_type"),
            (b'{"type":7}', "unknown_type"),
            (b'{"type":"subscribe"}', "invalid_frame"),
            (b'{"type":"subscribe","topic":7}', "invalid_frame"),
            (b'{"type":"subscribe","topic":""}', "invalid_topic"),
            (b'{"type":"subscribe","topic":"a/../b"}', "invalid_topic"),
            (b'{"type":"subscribe","topic":"a/\\u0000"}', "invalid_topic"),
            (b'{"type":"subscribe","topic":"a/\'; DROP TABLE x"}', "invalid_topic"),
            (b'{"type":"subscribe","topic":"' + b"a/" * 5000 + b'"}', "invalid_topic"),
            (b'{"type":"subscribe","topic":"orders","filter":[]}', "invalid_frame"),
            (b'{"type":"subscribe","topic":"orders","filter":{"a":{"b":1}}}', "invalid_filter"),
            (b'{"type":"publish","topic":"a/b","event":"","data":1}', "invalid_event"),
            (b'{"type":"publish","topic":"a/b","event":"*","data":1}', "invalid_event"),
            (b'{"type":"publish","topic":"a/b","event":"x","data":1,"id":{}}', "invalid_frame"),
            (b'{"type":"auth"}', "invalid_frame"),
            (b"[" * 10_000 + b"]" * 10_000, "invalid_frame"),
            (
                b'{"type":"publish","topic":"a/b","event":"x","data":'
                + b"[" * 10_000
                + b"]" * 10_000
                + b"}",
                "too_deep",
            ),
            (b'{"type":"chat","roomId":"a/b","text":"' + b"x" * 300_000 + b'"}', "too_large"),
        ):
            self.client.sendRaw(payload)
            self.assertEqual((payload[:60], codes(self.client.take())), (payload[:60], [code]))
            self.world.clock.advance(1)
        self.assertIsNone(self.client.connection.closing)

    def test_errorFindsItsCall(self) -> None:
        """
        An error has the id and the canonical topic of the frame that it is about.
        """
        (error,) = self.client.ask(type="publish", topic="chat/x", data=1, id="k")
        self.assertEqual((error["id"], error["topic"]), ("k", "chat/x/p"))

    def test_errorNamesNoTopic(self) -> None:
        """
        An error about an invalid topic repeats the topic as the client sent it, or its beginning if
        it is longer than any topic.
        """
        long = f"chat/{'é' * 4091}"
        for topic, named in (
            ("", ""),
            ("a/../b", "a/../b"),
            ("a/\u0000", "a/\u0000"),
            ("table/a/b", "table/a/b"),
            (f"chat/{'x' * 300}", f"chat/{'x' * 300}"),
            (long, long),
            (f"{long}x", long),
        ):
            for kind in ("subscribe", "unsubscribe", "untrack"):
                (error,) = self.client.ask(type=kind, topic=topic)
                self.assertEqual(error.get("topic"), named, (kind, topic[:10], error))
            self.world.clock.advance(1)

    def test_binary(self) -> None:
        """
        A binary message closes the connection.
        """
        self.client.sendRaw(b"{}", isBinary=True)
        self.assertEqual(self.client.connection.closing, (CLOSE_UNSUPPORTED, "send JSON text"))

    def test_refusal(self) -> None:
        """
        Every refusal has the type, the id and the topic of the refused frame, as far as the daemon
        can read them.
        """
        self.world.feeds.allowed = Patterns(["orders"])
        for payload, code, about in (
            (b'{"type":"fly","id":1}', "unknown_type", {"request": "fly", "id": 1}),
            (b'{"type":"publish","topic":"a/b","id":1}', "invalid_frame", {"topic": "a/b/p"}),
            (
                b'{"type":"subscribe","topic":"shut"}',
                "table_not_allowed",
                {"topic": "table/shut/p"},
            ),
            (b'{"type":"track","topic":"a/b","state":7}', "invalid_frame", {"topic": "a/b/p"}),
            (b'{"type":"chat","roomId":"","text":"","id":1}', "invalid_topic", {"topic": "chat/"}),
            (b'{"type":"chat","roomId":"r","text":"\\ud83d","id":1}', "invalid_json", {"id": 1}),
            (b'{"type":"publish","topic":"a/b","event":"\\ud83d"}', "invalid_json", {}),
            (b'{"type":"track","topic":"a/b","state":{"a":1e999}}', "invalid_json", {}),
            (b'{"type":"subscribe","topic":"orders","filter":{"a":1e999}}', "invalid_frame", {}),
            (b'{"type":"publish","topic":"a/b","event":"e","id":9,"data":', "invalid_json", {}),
            (
                b'{"type":"publish","topic":"a/b","event":"e","data":"'
                + b"x" * 300_000
                + b'","id":9}',
                "too_large",
                {"id": 9, "topic": "a/b/p"},
            ),
            (
                b'{"type":"publish","topic":"a/b","event":"e","id":"' + b"x" * 129 + b'"}',
                "invalid_frame",
                {"id": "x" * 129},
            ),
        ):
            self.client.sendRaw(payload)
            (error,) = self.client.take()
            self.assertEqual(error["code"], code, payload[:80])
            self.assertEqual(error, {**error, **about}, payload[:80])
            self.assertIn(f'"type":"{error["request"]}"'.encode(), payload)
            self.assertEqual(b'"id":9' in payload, error.get("id") == 9)
            self.world.advance(1)

    def test_failure(self) -> None:
        """
        A fault of the daemon closes the connection with 1011, is logged with the connection's id,
        and does not affect other connections.
        """
        other = self.world.connect()

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        self.patch(self.world.hub.publisher, "publish", broken)
        self.client.send(type="publish", topic="a/b", event="e", data=1)
        self.assertEqual(self.client.connection.closing, (CLOSE_INTERNAL, "the daemon failed"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(types(other.ask(type="ping")), ["pong"])

    def test_trackerFailure(self) -> None:
        """
        An unexpected error of the tracker closes the connection that subscribed.
        """
        self.patch(self.world.tracker, "watch", lambda table: fail(ZeroDivisionError()))
        self.client.send(type="subscribe", topic="orders")
        self.assertEqual(self.client.connection.closing, (CLOSE_INTERNAL, "the daemon failed"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_keepingFailure(self) -> None:
        """
        An unexpected error of the history closes the connection that published.
        """
        self.patch(self.world.history, "append", lambda message: fail(ZeroDivisionError()))
        self.client.send(type="publish", topic="a/b", event="e", data=1, persist=True)
        self.assertEqual(self.client.connection.closing, (CLOSE_INTERNAL, "the daemon failed"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
