"""
Tests for publications over a session, with a daemon in memory.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.settings.limits import LimitsConfig
from tests.client.worlds import AWAY, WorldTestCase


class PublishingTests(WorldTestCase):
    """
    Tests for publications.
    """

    def setUp(self) -> None:
        super().setUp()
        self.publisher = self.client("ann")
        self.watched = self.client("bob").channel("chat/a")
        self.got = self.heard(self.watched)
        self.result(self.watched.subscribe())
        self.channel = self.publisher.channel("chat/a")

    def test_acknowledged(self) -> None:
        """
        A publication with C{persist} is acknowledged when it is stored.
        """
        self.world.history.held = []
        waiting = self.channel.publish("e", 1, persist=True)
        self.world.turn()
        self.assertNoResult(waiting)
        self.world.history.release()
        self.result(waiting)
        self.assertEqual(self.got, [1])

    def test_refused(self) -> None:
        """
        A refused publication fails, and the others do not.
        """
        codes = [
            self.refusal(self.channel.publish("presence:join", 1)),
            self.refusal(self.publisher.channel("orders").publish("e", 1)),
            self.refusal(self.publisher.channel("chat/;").publish("e", 1)),
        ]
        self.assertEqual(codes, ["invalid_event", "forbidden", "invalid_topic"])
        self.result(self.channel.publish("e", 2))
        self.assertEqual((self.got, self.errors), ([2], []))

    def test_chat(self) -> None:
        """
        A chat message reaches the room, is stored once however often it went out, and fails
        where the rights do not allow it.
        """
        room = self.publisher.chatRoom("a")
        self.assertIs(room, self.channel)
        waiting = self.publisher.sendChat("a", "hello", {"mood": "fine"})
        # The daemon gets it, and its answer gets lost.
        self.world.step()
        self.away()
        self.successResultOf(waiting)
        self.result(self.publisher.sendChat("a", "bye"))
        self.assertEqual(
            [(said["text"], said["metadata"]) for said in self.got],
            [("hello", {"mood": "fine"}), ("bye", None)],
        )
        self.assertEqual(self.refusal(self.publisher.sendChat("a;", "hello")), "invalid_topic")
        self.assertEqual(self.refusal(self.publisher.sendChat("a", "x", [1])), "invalid_frame")
        for call, said in (
            (lambda: self.publisher.sendChat("a", None), "text is text, not None"),
            (
                lambda: self.publisher.sendChat(7, "x"),
                "roomId is text, not a value of the type int",
            ),
            (lambda: self.publisher.chatRoom(None), "roomId is text, not None"),
        ):
            self.assertIn(said, str(self.assertRaises(TypeError, call)))

    def test_again(self) -> None:
        """
        A publication without an acknowledgement goes out again after a reconnect, and counts once.
        """
        for lost in ("before", "after"):
            waiting = [self.channel.publish("e", f"{lost} {n}") for n in range(3)]
            if lost == "after":
                # The daemon gets them, and its answers get lost.
                self.world.step()
            self.away()
            for each in waiting:
                self.successResultOf(each)
        self.assertEqual(
            self.got, [f"{lost} {n}" for lost in ("before", "after") for n in range(3)]
        )

    def test_offline(self) -> None:
        """
        Publications wait for a connection, in their order, up to the limit.
        """
        client = self.client("carl", maxQueue=3)
        self.world.reachable = False
        self.world.cut()
        self.world.turn()
        channel = client.channel("chat/a")
        waiting = [channel.publish("e", n) for n in range(4)]
        self.assertEqual(self.refusal(waiting.pop()), "queue_full")
        self.world.reachable = True
        self.world.advance(AWAY)
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(self.got, [0, 1, 2])

    def test_stopped(self) -> None:
        """
        Deferreds fail when the client is stopped, and so do later publications.
        """
        self.world.history.held = []
        waiting = self.channel.publish("e", 1, persist=True)
        self.world.turn()
        self.result(self.publisher.stopService())
        self.assertEqual(self.refusal(waiting), "stopped")
        self.assertEqual(self.refusal(self.channel.publish("e", 2)), "stopped")
        self.assertEqual(self.refusal(self.channel.subscribe()), "stopped")

    def test_passing(self) -> None:
        """
        A publication that is refused for a while goes out again afterwards.
        """
        self.world.history.held = []
        waiting = self.channel.publish("e", 1, persist=True)
        self.world.turn()
        self.world.history.refuse()
        self.world.turn()
        self.assertNoResult(waiting)
        self.world.advance(2)
        self.successResultOf(waiting)
        self.assertEqual(self.got, [1])

    def test_stoppedMeanwhile(self) -> None:
        """
        A client that is stopped leaves no timer behind.
        """
        self.world.history.held = []
        waiting = self.channel.publish("e", 1, persist=True)
        self.world.turn()
        self.world.history.refuse()
        self.world.turn()
        self.result(self.publisher.stopService())
        self.assertEqual(self.refusal(waiting), "stopped")
        for wire in self.world.wires:
            wire._user._user.stop()
        self.world.turn()
        self.world.refusals.stopService()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_strange(self) -> None:
        """
        An error with an unknown id does not end a subscription.
        """
        self.world.tracker.asked = []
        client = self.client("carl")
        subscribed = client.channel("orders").subscribe()
        self.world.turn()
        error = {"type": "error", "code": "forbidden", "message": "No.", "topic": "table/orders/p"}
        self.world.wires[-1]._user.received(json.dumps({**error, "id": "strange"}).encode())
        self.assertNoResult(subscribed)
        self.assertEqual(self.errors, ["forbidden"])
        self.world.wires[-1]._user.received(json.dumps(error).encode())
        self.assertEqual(self.refusal(subscribed), "forbidden")

    def test_history(self) -> None:
        """
        The history can be read page by page.
        """
        for n in range(5):
            self.result(self.channel.publish("e", n, persist=True))
        first = self.result(self.channel.getHistory(2))
        self.assertEqual([message["data"] for message in first], [4, 3])
        rest = self.result(self.channel.getHistory(before=first[-1]["created_at"]))
        self.assertEqual([message["data"] for message in rest], [2, 1, 0])


class FloodTests(WorldTestCase):
    """
    Tests for a client that has more to say than it may.  What is refused for that may be
    overtaken by what comes behind it.
    """

    limits = LimitsConfig(framesPerSecond=20.0, framesBurst=30)

    def test_flood(self) -> None:
        """
        A client that comes back with hundreds of frames sends all of them at the allowed pace,
        and is not closed for flooding.
        """
        client = self.world.realtime(userId="ann")
        channels = [client.channel(f"chat/{n}") for n in range(150)]
        waiting: list[Deferred[Any]] = []
        for channel in channels:
            waiting.append(channel.subscribe())
            waiting.append(channel.publish("e", 1))
            channel.track({})
        statuses: list[str] = []
        client.onStatusChange(statuses.append)
        client.startService()
        for _ in range(2000):
            self.world.clock.advance(0.05)
            self.world.turn()
            if all(each.called for each in waiting):
                break
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(statuses, ["connecting", "connected"])
        self.world.advance(30)
        for channel in channels:
            self.assertEqual(self.subscribers(f"{channel.topic}/p"), 1)
            self.assertEqual(len(channel.presence.members), 1, channel.topic)
