"""
Tests for what a client makes of refusals, with a daemon in memory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from aerostack.client.errors import ClientError
from aerostack.settings.limits import LimitsConfig
from tests.client.worlds import AWAY, WorldTestCase
from tests.live.clients import makeToken


class AnsweredTests(WorldTestCase):
    """
    Tests for frames that will get no answer of their own.
    """

    def code(self, waiting: Deferred[Any]) -> str:
        """
        The code with which a deferred has failed.
        """
        return str(self.failureResultOf(waiting, ClientError).value.code)

    def refuse(self, **fields: Any) -> None:
        """
        Let the daemon refuse a frame for good.
        """
        self.hear(**{"type": "error", "code": "invalid_frame", "message": "No.", **fields})

    def test_longTopic(self) -> None:
        """
        The refusal of a long topic, of which the daemon repeats only the beginning, finds the
        topic.
        """
        client = self.client()
        waiting = [client.channel("a/" + letter * 10_000).subscribe() for letter in "xy"]
        for each in waiting:
            self.assertEqual(self.refusal(each), "invalid_topic")

    def test_unnamed(self) -> None:
        """
        A refusal without a topic or id is about the only frame that it can be about.
        """
        client = self.client()
        self.sends()
        subscribed = client.channel("chat/a").subscribe()
        published = client.channel("chat/a").publish("e")
        self.refuse(request="subscribe")
        self.assertEqual(self.code(subscribed), "invalid_frame")
        self.assertNoResult(published)
        self.refuse(request="publish")
        self.assertEqual(self.code(published), "invalid_frame")
        self.assertEqual(self.errors, [])

    def test_ambiguous(self) -> None:
        """
        A refusal that may be about several frames is reported, and ends none of them.
        """
        client = self.client()
        self.sends()
        waiting: list[Deferred[Any]] = [client.channel("chat/a").publish("e") for _ in range(2)]
        waiting += [client.channel(topic).subscribe() for topic in ("a/a", "a/b")]
        self.refuse(request="publish")
        self.refuse(request="subscribe")
        self.assertEqual(self.errors, ["invalid_frame"] * 2)
        for each in waiting:
            self.assertNoResult(each)

    def test_leaving(self) -> None:
        """
        After the refusal of an unsubscribe frame the channel is unsubscribed.
        """
        channel = self.client().channel("chat/a")
        self.result(channel.subscribe())
        self.sends()
        left = channel.unsubscribe()
        self.refuse(request="unsubscribe", topic="chat/a/p")
        self.successResultOf(left)

    def test_presence(self) -> None:
        """
        The refusal of a presence state does not refuse the subscription, nor the other way round.
        """
        channel = self.client().channel("chat/a")
        told: list[str] = []
        channel.onError(lambda error: told.append(error.code))
        self.result(channel.subscribe())
        self.sends()
        channel.track({})
        waiting = channel.subscribe(since="x")
        self.refuse(request="track", topic="chat/a/p")
        self.assertEqual(told, ["invalid_frame"])
        self.assertNoResult(waiting)
        self.refuse(request="subscribe", topic="chat/a/p", code="forbidden")
        self.assertEqual((self.code(waiting), told), ("forbidden", ["invalid_frame"]))


class PaceTests(WorldTestCase):
    """
    Tests for a client that is too fast.
    """

    def tooFast(self, wait: int = 300, **fields: Any) -> None:
        """
        Let the daemon refuse a frame as too fast.
        """
        error = {"type": "error", "code": "rate_limited", "message": "Wait.", "retryAfter": wait}
        self.hear(**error, **fields)

    def test_holds(self) -> None:
        """
        A client that the daemon asks to wait sends only pings until the last wait is over.  Then
        it sends one frame at a time, refused frames before new ones.
        """
        client = self.client()
        channel = client.channel("chat/a")
        sent = self.sends()
        waiting = [channel.publish("e", n) for n in range(3)]
        ids = [frame.pop("id") for frame in sent]
        sent.clear()
        self.tooFast(id=ids[1])
        self.world.clock.advance(0.2)
        self.tooFast(id=ids[2])
        waiting.append(channel.publish("e", 3))
        self.world.clock.advance(0.25)
        self.assertEqual(sent, [])
        self.world.clock.advance(0.06)
        self.assertEqual(sent.pop(), {"type": "ping"})
        sent.clear()
        for number in (1, 2, 3):
            self.hear(type="pong")
            frame = sent.pop(0)
            self.assertEqual((frame["data"], sent.pop(0)), (number, {"type": "ping"}))
            self.assertEqual(sent, [])
            self.hear(type="ack", id=frame["id"])
        self.assertNoResult(waiting[0])
        for each in waiting[1:]:
            self.successResultOf(each)

    def test_ping(self) -> None:
        """
        The answer to a ping shows that the daemon has dealt with all frames before it, even after
        a wait.
        """
        client = self.client()
        self.tooFast()
        channel = client.channel("chat/a")
        for topic in range(50):
            client.channel(f"chat/{topic}").track({})
        channel.track({"n": 1})
        answered = client.ping()
        self.world.turn()
        self.assertNoResult(answered)
        there: list[int] = []
        members = self.world.hub.presence.rosters.members
        answered.addCallback(lambda _: there.append(len(list(members("chat/a/p")))))
        self.world.advance(5)
        self.assertEqual(there, [1])
        self.tooFast()
        answered = client.ping()
        self.world.cut()
        self.assertEqual(self.refusal(answered), "unreachable")

    def test_leaveAndBack(self) -> None:
        """
        A channel that leaves and joins again during a wait is subscribed in the end, and a
        presence that was taken back is gone.
        """
        client = self.client()
        channel = client.channel("chat/a")
        channel.track({})
        self.result(channel.subscribe())
        send = self.world.wires[0].send
        sent = self.sends()
        channel.untrack()
        left = channel.unsubscribe()
        for frame in sent:
            self.tooFast(request=frame["type"], topic="chat/a/p")
        subscribed = channel.subscribe()
        self.patch(self.world.wires[0], "send", send)
        self.world.advance(3)
        self.successResultOf(left)
        self.successResultOf(subscribed)
        self.assertEqual(self.subscribers("chat/a/p"), 1)
        self.assertEqual(list(self.world.hub.presence.rosters.members("chat/a/p")), [])

    def test_leaveAndLost(self) -> None:
        """
        A channel that leaves during a wait, loses the connection, and joins on the next one is
        subscribed.
        """
        channel = self.client().channel("chat/a")
        sent = self.sends()
        subscribed = channel.subscribe()
        self.assertEqual([frame["type"] for frame in sent], ["subscribe"])
        self.tooFast(request="subscribe", topic="chat/a/p")
        channel.unsubscribe()
        self.assertEqual(self.refusal(subscribed), "unsubscribed")
        self.away()
        self.assertEqual(self.result(channel.subscribe())["topic"], "chat/a/p")

    def test_auth(self) -> None:
        """
        A token that came too fast is sent again, the newest one.
        """
        client = self.client(None, token=makeToken("ann"))
        sent = self.sends()
        client.setToken(makeToken("ann", n=1))
        self.tooFast(request="auth")
        client.setToken(makeToken("ann", n=2))
        self.world.advance(1)
        tokens = [frame["token"] for frame in sent if frame["type"] == "auth"]
        self.assertEqual(tokens, [makeToken("ann", n=n) for n in (1, 2, 2)])


class SmallBurstTests(WorldTestCase):
    """
    Tests for a client of a daemon with the smallest burst.
    """

    limits = LimitsConfig(framesPerSecond=5.0, framesBurst=1)

    def test_steady(self) -> None:
        """
        A client that publishes faster than the smallest burst allows is not closed for flooding,
        and each of its publications counts once.
        """
        client = self.world.realtime(userId="ann")
        statuses: list[str] = []
        client.onStatusChange(statuses.append)
        channel = client.channel("chat/a")
        heard = self.heard(channel)
        waiting: list[Deferred[Any]] = [channel.subscribe()]
        waiting += [channel.publish("e", -number) for number in range(1, 61)]
        client.startService()
        for number in range(60):
            waiting.append(channel.publish("e", number))
            self.world.clock.advance(0.02)
        for _ in range(2400):
            self.world.clock.advance(0.05)
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(statuses, ["connecting", "connected"])
        self.assertEqual(sorted(heard), sorted(set(heard)))


class TokenTests(WorldTestCase):
    """
    Tests for tokens that change at a bad time.
    """

    def token(self, seconds: float, sub: str = "ann") -> str:
        return makeToken(sub, exp=self.world.wall() + seconds)

    def test_whileConnecting(self) -> None:
        """
        A token that is set during the opening counts for the connection.
        """
        for step in range(4):
            client = self.world.realtime(token=self.token(5), projectId="p")
            client.onError(lambda error: self.errors.append(error.code))
            client.startService()
            for _ in range(step):
                self.world.step()
            client.setToken(self.token(600, "bob"))
            channel = client.channel("doc/1")
            channel.track({})
            self.result(channel.subscribe())
            self.world.advance(20)
            self.assertEqual((client.status, self.errors), ("connected", []), step)
            self.assertEqual([m["userId"] for m in channel.presence.members], ["bob"], step)
            self.result(client.stopService())

    def test_refusedOpening(self) -> None:
        """
        A client whose token is refused at the opening comes back with the token that it got
        meanwhile.
        """
        client = self.world.realtime(token=self.token(-5), projectId="p")
        client.startService()
        client.setToken(self.token(600))
        self.world.advance(AWAY)
        self.assertEqual(client.status, "connected")
