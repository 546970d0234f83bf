"""
Tests for subscriptions and presence on topics that take time to be attached.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.facts import ASKED, LIVE, NONE
from aerostack.errors import RealtimeError
from aerostack.recovery import replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World, makeProject
from aerostack.testing.delayed import DelayedLogs, Line
from tests.answers import codes, types

AWAY = RealtimeError("engine_unavailable", "The engine does not answer.", 1500)
STATE = {"text": "x" * 1000}


class AttachingCase(SynchronousTestCase):
    """
    A world whose node is behind a line.
    """

    def setUp(self) -> None:
        self.line = Line()
        self.world = World(
            line=self.line,
            limits=LimitsConfig(subscriptions=5, stateBytes=1100),
            tables=("orders",),
        )
        self.client = self.world.connect(userId="ann")

    def carry(self) -> list[dict[str, Any]]:
        """
        Let everything through, and take the frames that the client got.
        """
        self.line.carry()
        return self.client.take()

    def assertGone(self, *clients: MemoryClient) -> None:
        """
        Assert that no topic is attached when some clients have closed.
        """
        for client in (self.client, *clients):
            client.close()
        self.world.turn()
        self.line.carry()
        source = self.world.hub.source
        assert isinstance(source, DelayedLogs)
        self.assertEqual((source.attached, self.world.hub.attachments._counts), (set(), {}))
        self.assertEqual(self.world.tracker.watchedTables(), [])
        self.assertEqual(self.world.shares.subscriptions.total, 0)
        self.assertEqual(self.flushLoggedErrors(), [])


class SubscribeTests(AttachingCase):
    """
    Tests for C{subscribe} and C{unsubscribe}.
    """

    def state(self) -> str:
        assert self.client.session.subscriptions is not None
        return self.client.session.subscriptions.state("chat/a/p")

    def test_waits(self) -> None:
        """
        A subscription is asked for until its topic is attached, and live from then on.
        """
        self.assertEqual(self.client.ask(type="subscribe", topic="chat/a"), [])
        self.assertEqual(self.state(), ASKED)
        self.assertEqual(types(self.carry()), ["subscribed"])
        self.assertEqual(self.state(), LIVE)
        self.client.send(type="publish", topic="chat/a", event="e", data=1)
        self.assertEqual([frame["data"] for frame in self.carry()], [1])
        self.assertGone()

    def test_fails(self) -> None:
        """
        If the topic cannot be attached, the error says when to ask again, and nothing stays.
        """
        for topic in ("chat/a", "orders"):
            self.client.send(type="subscribe", topic=topic)
            self.line.refuse(AWAY)
            (error,) = self.client.take()
            self.assertEqual(
                (error["code"], error["retryAfter"], error["request"]),
                ("engine_unavailable", 1500, "subscribe"),
            )
        self.assertEqual(self.state(), NONE)
        self.client.send(type="subscribe", topic="chat/a")
        self.assertEqual(types(self.carry()), ["subscribed"])
        self.assertGone()

    def test_unsubscribed(self) -> None:
        """
        A client that unsubscribes while its topic is being attached gets no subscription.
        """
        for topic in ("chat/a", "orders"):
            self.client.send(type="subscribe", topic=topic)
            self.assertEqual(
                types(self.client.ask(type="unsubscribe", topic=topic)), ["unsubscribed"]
            )
        self.assertEqual(self.carry(), [])
        self.assertEqual(self.state(), NONE)
        self.assertGone()

    def test_again(self) -> None:
        """
        A client that asks again while its topic is being attached gets the last answer only, and
        the topic is attached once.
        """
        for topic in ("chat/a", "orders"):
            for sync in (False, True, False, True):
                self.client.send(type="subscribe", topic=topic, sync=sync)
                self.client.send(type="unsubscribe", topic=topic)
            self.client.take()
            self.client.send(type="subscribe", topic=topic, sync=True)
            self.assertEqual(len(self.line.waiting), 1)
            self.assertEqual(types(self.carry()), ["subscribed", "synced"])
        self.assertGone()

    def test_closed(self) -> None:
        """
        A client that closes while its topics are being attached leaves nothing.
        """
        for topic in ("chat/a", "orders"):
            self.client.send(type="subscribe", topic=topic)
            self.client.send(type="track", topic=topic, state={})
        self.assertGone()

    def test_others(self) -> None:
        """
        The topic is detached when its last subscriber and its last present client are gone.
        """
        other = self.world.connect(userId="bob")
        for client in (self.client, other):
            client.send(type="subscribe", topic="chat/a")
        other.send(type="track", topic="chat/a", state={})
        self.carry()
        source: Any = self.world.hub.source
        self.client.send(type="unsubscribe", topic="chat/a")
        other.send(type="unsubscribe", topic="chat/a")
        self.carry()
        self.assertEqual(source.attached, {"chat/a/p"})
        other.send(type="untrack", topic="chat/a")
        self.carry()
        self.assertEqual(source.attached, set())
        self.assertGone(other)

    def test_capacity(self) -> None:
        """
        What waits counts as a topic that the client holds.
        """
        for number in range(3):
            self.client.send(type="subscribe", topic=f"chat/{number}")
        for number in range(3, 5):
            self.client.send(type="track", topic=f"chat/{number}", state={})
        for kind in ("subscribe", "track"):
            answer = self.client.ask(type=kind, topic="chat/5", state={})
            self.assertEqual(codes(answer), ["too_many_subscriptions"])
        self.assertGone()

    def test_quota(self) -> None:
        """
        Subscriptions that wait together do not exceed the project's quota.
        """
        self.world = World({"p": makeProject(subscriptions=1)}, line=self.line)
        self.client = self.world.connect()
        for topic in ("chat/a", "chat/b"):
            self.client.send(type="subscribe", topic=topic)
        answers = self.carry()
        self.assertEqual(types(answers), ["subscribed", "error"])
        self.assertEqual(codes(answers[1:]), ["too_many_subscriptions"])
        self.assertGone()

    def test_otherUser(self) -> None:
        """
        The rights are those that the client has when the topic is attached.
        """
        self.client.send(type="subscribe", topic="chat/a")
        self.client.send(type="track", topic="chat/b", state={})

        def refuse(*args: Any) -> None:
            raise RealtimeError("forbidden", "Not any more.")

        self.patch(self.world.feeds, "permit", refuse)
        self.assertEqual(codes(self.carry()), ["forbidden", "forbidden"])
        self.assertGone()


class ResumeTests(AttachingCase):
    """
    Tests for C{subscribe} with a position, on a log that has to be filled.
    """

    def setUp(self) -> None:
        super().setUp()
        # Else what the client missed is found in memory, and no log has to be filled for it.
        self.patch(replay, "AT_ONCE", 0)
        self.client.positions = True
        self.client.send(type="subscribe", topic="chat/a")
        (answer,) = self.carry()
        self.since = answer["pos"]
        self.client.send(type="unsubscribe", topic="chat/a")
        self.publish(1)
        self.carry()

    def publish(self, data: int) -> None:
        """
        Publish something.
        """
        self.client.send(type="publish", topic="chat/a", event="e", data=data)

    def begin(self) -> None:
        """
        Come back, and let everything through but the fill.
        """
        self.client.send(type="subscribe", topic="chat/a", since=self.since)
        # The attachment, and the count of the project's subscriptions.
        self.line.carry(2)

    def test_filled(self) -> None:
        """
        The client gets what it missed, once the log is filled, and once what came meanwhile.
        """
        self.begin()
        self.publish(2)
        # The publication comes before the answer of the fill.
        self.line.waiting.reverse()
        self.line.carry(1)
        self.assertEqual(self.client.take(), [])
        self.assertEqual(len(self.line.waiting), 1)
        self.publish(3)
        answer, *frames = self.carry()
        self.assertTrue(answer["recovered"])
        self.assertEqual([frame["data"] for frame in frames], [1, 2, 3])
        self.assertGone()

    def test_notFilled(self) -> None:
        """
        If the log cannot be filled, the client gets the error, and the subscription ends.
        """
        self.begin()
        self.line.refuse(AWAY)
        error, ended = self.client.take()
        self.assertEqual((error["code"], ended["type"]), ("engine_unavailable", "unsubscribed"))
        self.assertGone()

    def test_left(self) -> None:
        """
        A client that unsubscribes while the log is being filled hears no more of it.
        """
        self.begin()
        self.client.send(type="unsubscribe", topic="chat/a")
        self.assertEqual(types(self.carry()), ["unsubscribed"])
        self.assertGone()


class TrackTests(AttachingCase):
    """
    Tests for C{track} and C{untrack}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.watcher = self.world.connect(userId="watcher")
        for topic in ("chat/a", "orders"):
            self.watcher.send(type="subscribe", topic=topic)
        self.line.carry()
        self.watcher.take()

    def told(self) -> list[tuple[str, Any]]:
        """
        Give the events that the watcher got, with the members' states.
        """
        return [(frame["event"], frame["data"]["state"]) for frame in self.watcher.take()]

    def test_waits(self) -> None:
        """
        A client is present when its topic is attached and the roster has let it in.
        """
        for topic in ("chat/a", "orders"):
            self.assertEqual(self.client.ask(type="track", topic=topic, state={"x": 1}), [])
            (sync,) = self.carry()
            self.assertEqual(sync["event"], "presence:sync")
            self.assertEqual(self.told(), [("presence:join", {"x": 1})])
        self.assertGone(self.watcher)

    def test_newest(self) -> None:
        """
        If several frames wait for one topic, the first and the newest take effect: the client
        comes, and then changes its state.  It gets the set once.
        """
        roster = self.world.hub.presence._roster
        asked: list[Any] = []
        track = roster.track

        def noting(*arguments: Any) -> Any:
            asked.append(json.loads(arguments[3]))
            return track(*arguments)

        self.patch(roster, "track", noting)
        for number in range(3):
            self.client.send(type="track", topic="chat/new", state={"x": number})
        (sync,) = self.carry()
        self.assertEqual(len(sync["data"]["members"]), 1)
        self.assertEqual(asked, [{"x": 0}, {"x": 2}])
        (member,) = self.world.hub.presence.rosters.members("chat/new/p")
        self.assertEqual(json.loads(member.state), {"x": 2})
        self.assertGone(self.watcher)

    def test_firstRefused(self) -> None:
        """
        If the roster refuses the first of the frames that have waited for a topic, the newest one
        is not tried, and the client gets one error.
        """
        self.client.send(type="track", topic="chat/new", state={"x": 0})
        self.client.send(type="track", topic="chat/new", state={"x": 1})
        refused = RealtimeError("overloaded", "Too much waits.", 100)
        self.patch(self.world.hub.presence._roster, "track", lambda *args: fail(refused))
        self.assertEqual([each["code"] for each in self.carry()], ["overloaded"])
        self.assertGone(self.watcher)

    def test_changed(self) -> None:
        """
        A client that changes its state before the roster has answered is not told the set twice.
        """
        self.client.send(type="track", topic="chat/a", state={"x": 1})
        for number in (2, 3):
            self.client.send(type="track", topic="chat/a", state={"x": number})
        answers = self.carry()
        self.assertEqual([frame["event"] for frame in answers], ["presence:sync"])
        self.assertEqual(self.told()[-1][1], {"x": 3})
        self.assertGone(self.watcher)

    def test_untracked(self) -> None:
        """
        A client that leaves before the roster has answered gets no answer, and has left.
        """
        self.client.send(type="track", topic="chat/a", state={"x": 1})
        self.client.send(type="untrack", topic="chat/a")
        self.assertEqual(self.carry(), [])
        self.assertEqual(self.world.hub.presence.rosters.count("chat/a/p"), 0)
        self.assertGone(self.watcher)

    def test_backAgain(self) -> None:
        """
        A client that leaves and comes again before the roster has answered gets the set once.
        """
        for number in range(3):
            self.client.send(type="track", topic="chat/a", state={"x": number})
            self.client.send(type="untrack", topic="chat/a")
        self.client.send(type="track", topic="chat/a", state={"x": 9})
        (sync,) = self.carry()
        self.assertEqual([member["state"] for member in sync["data"]["members"]], [{"x": 9}])
        self.assertGone(self.watcher)

    def test_fails(self) -> None:
        """
        If the topic cannot be attached, or the roster does not answer, the client gets the error,
        and is not present.
        """
        for topic in ("chat/a", "chat/b"):
            self.client.send(type="track", topic=topic, state={"x": 1})
            self.line.refuse(AWAY)
            (error,) = self.client.take()
            self.assertEqual(
                (error["code"], error["request"], error["retryAfter"]),
                ("engine_unavailable", "track", 1500),
            )
        self.assertEqual(self.client.session.connectionId, "c1")
        self.assertEqual(self.world.hub.presence.topicsOf("c1"), ())
        self.assertGone(self.watcher)

    def test_changeFails(self) -> None:
        """
        A client whose new state is refused stays present with the old one.
        """
        self.client.send(type="track", topic="chat/a", state={"x": 1})
        self.carry()
        self.client.send(type="track", topic="chat/a", state={"x": 2})
        self.line.refuse(AWAY)
        self.assertEqual(codes(self.client.take()), ["engine_unavailable"])
        self.assertEqual(self.told(), [("presence:join", {"x": 1})])
        self.assertEqual(self.world.hub.presence.topicsOf("c1"), ("chat/a/p",))
        self.assertGone(self.watcher)

    def test_closed(self) -> None:
        """
        A client that closes, or breaks off, before the roster has answered leaves nothing.
        """
        for end in ("close", "die"):
            client = self.world.connect(userId=end)
            client.send(type="track", topic="chat/a", state={})
            getattr(client, end)()
            self.line.carry()
        self.world.advance(20)
        self.line.carry()
        self.assertEqual(self.world.hub.presence.rosters.count("chat/a/p"), 0)
        self.assertGone(self.watcher)

    def test_bound(self) -> None:
        """
        The states that wait for their topics are bounded together.
        """
        self.world = World(line=self.line, limits=LimitsConfig(subscriptions=50, stateBytes=1100))
        self.client = self.world.connect(userId="ann")
        answers = []
        for number in range(20):
            answers += self.client.ask(type="track", topic=f"chat/{number}", state=STATE)
        self.assertEqual(codes(answers), ["too_large"] * 3)
        self.assertGone()
