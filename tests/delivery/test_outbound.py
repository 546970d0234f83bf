"""
Tests for L{aerostack.delivery.outbound}: clients that read too slowly for what there is.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.delivery.fanout import Fanout
from aerostack.errors import CLOSE_SLOW
from aerostack.protocol.frames import Pong
from aerostack.recovery import pacing, recovery, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World

ORDERS = tableTopic("orders", "p")


class OutboundCase(SynchronousTestCase):
    """
    A world in which 2000 bytes may wait for a client, and a topic's log has 20 entries in
    memory.
    """

    depth = 20

    def setUp(self) -> None:
        self.patch(replay, "PAGE", 10)
        self.patch(pacing, "CHUNK", 500)
        self.world = World(
            limits=LimitsConfig(outboxBytes=2000),
            rules=TopicPolicies([], TopicPolicy(Depth(self.depth, 1_000_000, 300.0))),
        )
        self.client = self.world.connect()
        self.written = 0

    def subscribe(self, *topics: str, **more: Any) -> None:
        """
        Subscribe to topics, and then read no more.
        """
        for topic in topics:
            (answer,) = self.client.ask(type="subscribe", topic=topic, **more)
            self.assertEqual(answer["type"], "subscribed")
        self.client.session.congested()

    def write(self, count: int, last: bool = True) -> None:
        """
        Write rows, all at once.
        """
        first = self.written + 1
        self.written += count
        self.world.tracker.change(
            *(
                Change(n, "orders", INSERT, {"id": n, "side": n % 2}, None, 7)
                for n in range(first, self.written + 1)
            ),
            last=last,
        )
        self.world.turn()

    def say(self, count: int, topic: str = "chat/a") -> None:
        """
        Publish on a topic that is nobody's table.
        """
        other = self.world.connect()
        for n in range(count):
            other.send(type="publish", topic=topic, event="e", data=n)
        self.world.turn()

    def fill(self) -> None:
        """
        Publish messages until there is hardly any room left.
        """
        while self.client.session._outbox.waiting < 1900:
            self.world.hub.publisher.publish(Topic("chat/a", "p"), "e", b'"x"', None, False)
            self.world.turn()

    def read(self) -> list[Any]:
        """
        Read all that there is: the ids of rows, and whatever else came.
        """
        self.client.session.drained()
        return self.seen(self.client)

    def seen(self, client: MemoryClient) -> list[Any]:
        """
        What has come to a client, in short.
        """
        found = []
        for frame in client.take():
            if frame["type"] == "db_change":
                found.append(frame["data"]["id"])
            else:
                found.append(frame.get("data", frame["type"]))
        return found

    def assertKept(self) -> None:
        """
        Make sure that the client was not closed.
        """
        self.assertIsNone(self.client.connection.closing)


class DirectTests(OutboundCase):
    """
    How frames go out while nothing stands in the way.
    """

    def assertDirect(self, isDirect: bool) -> None:
        """
        Check whether what is delivered goes to the connection without a step between.
        """
        session, connection = self.client.session, self.client.connection
        self.assertEqual(session.deliver == connection.send, isDirect)

    def test_direct(self) -> None:
        """
        Frames go to the connection's own C{send}, from the opening on, and again when a full
        socket has taken all and when the client has its past.
        """
        self.assertDirect(True)
        self.subscribe("orders", "chat/a")
        self.assertDirect(False)
        self.client.session.drained()
        self.assertDirect(True)
        self.client.session.congested()
        self.write(100)
        self.client.session.drained()
        self.assertDirect(False)
        self.world.turn()
        self.assertDirect(True)
        self.assertEqual(self.read(), list(range(1, 101)))

    def test_past(self) -> None:
        """
        A client that gets its past gets frames by way of what holds them back, until it has
        all, or has left the topic.
        """
        self.client.positions = True
        (answer,) = self.client.ask(type="subscribe", topic="orders")
        self.write(40)
        for end in ("reads", "leaves"):
            self.world.tracker.reading = reading = []
            self.client.send(type="subscribe", topic="orders", since=answer["pos"])
            self.assertDirect(False)
            if end == "leaves":
                self.client.send(type="unsubscribe", topic="orders")
            while reading:
                reading.pop(0)()
                self.world.turn()
            self.assertDirect(True)


class FloodTests(OutboundCase):
    """
    More rows than may wait.
    """

    def test_whole(self) -> None:
        """
        A client that does not read while many rows are written is not closed, and has them
        all once it reads, also those that are only in the database.
        """
        self.subscribe("orders")
        self.write(100)
        self.assertKept()
        self.assertEqual(self.read(), list(range(1, 101)))
        self.write(1)
        self.assertEqual(self.seen(self.client), [101])

    def test_nothingWaits(self) -> None:
        """
        However much is written, nothing of it waits for the client.
        """
        self.subscribe("orders")
        for _ in range(30):
            self.write(100)
        self.assertEqual(self.client.session._outbox.waiting, 0)
        catchup = self.client.session.catchingUp(ORDERS.canonical)
        assert catchup is not None
        self.assertEqual(catchup.held, 0)
        self.assertEqual(self.read(), list(range(1, 3001)))

    def test_again(self) -> None:
        """
        What is written while the client catches up, and is too much as well, it gets too.
        """
        self.subscribe("orders")
        self.write(40)
        self.world.tracker.reading = []
        self.client.session.drained()
        self.world.turn()
        for n in range(20):
            self.write(30)
            if n % 3 == 0 and self.world.tracker.reading:
                self.world.tracker.reading.pop(0)()
                self.world.turn()
        while self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()
            self.world.turn()
        self.assertKept()
        self.assertEqual(self.seen(self.client), list(range(1, 641)))

    def test_others(self) -> None:
        """
        Who reads is not held up by who does not.
        """
        other = self.world.connect()
        other.ask(type="subscribe", topic="orders")
        self.subscribe("orders")
        self.write(100)
        self.assertEqual(self.seen(other), list(range(1, 101)))

    def test_filtered(self) -> None:
        """
        One with a filter gets its own rows, and hears of the end of a transaction whose
        last row it does not get.
        """
        self.subscribe("orders", filter={"side": 1})
        self.write(100, last=False)
        self.write(2)
        self.assertKept()
        self.assertEqual(self.read(), [*range(1, 102, 2), "commit"])

    def test_filteredWithin(self) -> None:
        """
        So also where all that it could not take at once is that end.
        """
        self.subscribe("orders", "chat/a", filter=None)
        self.client.session.drained()
        self.client.ask(type="subscribe", topic="orders", filter={"side": 1})
        self.write(1, last=False)
        self.client.session.congested()
        self.fill()
        self.write(1)
        self.assertKept()
        self.assertEqual([each for each in self.read() if each != "x"], [1, "error", "commit"])

    def test_noWarning(self) -> None:
        """
        Who falls behind with rows need not be warned: nothing happens to it.
        """
        self.subscribe("orders")
        self.write(15)
        self.assertGreater(self.client.session._outbox.waiting, 1000)
        self.assertEqual(self.read(), list(range(1, 16)))

    def test_largerThanAll(self) -> None:
        """
        A row that is larger than all that may wait comes as well.
        """
        self.subscribe("orders")
        self.written = 1
        change = Change(1, "orders", INSERT, {"id": 1, "side": 1, "body": "x" * 5000}, None, 7)
        self.world.tracker.change(change)
        self.write(1)
        self.assertKept()
        self.assertEqual(self.read(), [1, 2])

    def test_large(self) -> None:
        """
        Large rows are read in small pages.
        """
        self.patch(replay, "PAGE_BYTES", 50)
        self.subscribe("orders")
        self.write(100)
        self.assertEqual(self.read(), list(range(1, 101)))

    def test_slices(self) -> None:
        """
        What is on its way to many subscribers when a client begins to catch up does not
        come to it twice.
        """
        hub = self.world.hub
        hub.delivery.fanout = Fanout(self.world.clock, 1)
        self.subscribe("orders")
        others = [self.world.connect() for _ in range(4)]
        for other in others:
            other.ask(type="subscribe", topic="orders")
        late = self.world.connect()
        late.ask(type="subscribe", topic="orders")
        late.session.congested()
        self.world.tracker.change(
            *(Change(n, "orders", INSERT, {"id": n, "side": 1}, None, 7) for n in range(1, 41))
        )
        for _ in range(3):
            self.world.clock.advance(0)
            late.session.drained()
            self.world.clock.advance(0)
            late.session.congested()
        late.session.drained()
        self.client.session.drained()
        self.world.turn()
        for client in (self.client, late, *others):
            self.assertEqual(self.seen(client), list(range(1, 41)))


class MixedTests(OutboundCase):
    """
    Rows beside what exists nowhere else.
    """

    def test_messagesStay(self) -> None:
        """
        Rows give way to messages: those wait, and the rows are read again.
        """
        self.subscribe("orders", "chat/a")
        self.write(8)
        self.say(5)
        self.write(20)
        self.assertKept()
        self.assertEqual(self.read(), [0, 1, 2, 3, 4, *range(1, 29)])

    def test_rowsGiveWay(self) -> None:
        """
        So also where it is a message for which there is no room.
        """
        self.subscribe("orders", "chat/a")
        self.write(14)
        self.say(5)
        self.assertKept()
        self.assertEqual(self.read(), [0, 1, 2, 3, 4, *range(1, 15)])

    def test_rowFindsNoRoom(self) -> None:
        """
        A row for which messages leave no room is not lost.
        """
        self.subscribe("orders", "chat/a")
        self.fill()
        self.write(3)
        self.assertKept()
        self.assertEqual([each for each in self.read() if each != "x"], ["error", 1, 2, 3])

    def test_tooManyMessages(self) -> None:
        """
        Messages alone that are more than may wait close the client.
        """
        self.subscribe("orders", "chat/a")
        self.write(10)
        self.say(30)
        self.assertEqual(self.client.connection.closing, (CLOSE_SLOW, "reading too slowly; resume"))
        self.assertEqual(self.client.session._outbox.waiting, 0)

    def test_tooManyMessagesHeld(self) -> None:
        """
        So do those that are held while the past is sent, where they cannot be read again:
        together with what waits, and those of all topics together.
        """
        self.client.positions = True
        since = []
        for name in ("chat/a", "chat/b", "chat/c"):
            (answer,) = self.client.ask(type="subscribe", topic=name)
            since.append((name, answer["pos"]))
        for name, _ in since:
            self.world.hub.publisher.publish(Topic(name, "p"), "e", b"0", None, False)
        again = self.world.connect()
        self.world.history.reading = []
        self.world.restart()
        again = self.world.connect()
        for name, pos in since:
            again.send(type="subscribe", topic=name, since=pos)
        for _ in range(3):
            self.assertIsNone(again.connection.closing)
            self.assertLessEqual(again.session.queued, 2000)
            for name, _ in since:
                self.world.hub.publisher.publish(
                    Topic(name, "p"), "e", b'"%s"' % (b"x" * 130), None, False
                )
            self.world.turn()
        self.assertEqual(again.connection.closing, (CLOSE_SLOW, "reading too slowly; resume"))

    def test_warnedWhatever(self) -> None:
        """
        One whose messages pass the half is warned, also where rows wait between them.
        """
        self.subscribe("orders", "chat/a")
        self.say(8)
        self.write(2)
        self.say(5)
        self.assertKept()
        self.assertIn("error", self.read())

    def test_presence(self) -> None:
        """
        Who comes and goes on a table's topic is told also to those who are behind with its
        rows.
        """
        self.subscribe("orders")
        self.write(40)
        other = self.world.connect()
        other.ask(type="track", topic="orders", state={})
        self.write(10)
        found = self.read()
        self.assertEqual(found[:-1], list(range(1, 51)))
        self.assertEqual(found[-1]["connectionId"], other.connectionId)

    def test_presenceFlood(self) -> None:
        """
        More changes of who is present than may wait close no client, and it has the set in
        the end.
        """
        self.subscribe("chat/a")
        other = self.world.connect()
        for n in range(100):
            other.send(type="track", topic="chat/a", state={"n": n})
            self.world.turn()
        self.assertKept()
        self.assertLess(self.client.session.queued, 1000)
        *_, last = self.read()
        self.assertEqual([member["state"] for member in last["members"]], [{"n": 99}])

    def test_presenceFloodHeld(self) -> None:
        """
        So also where they are held while the past is sent.
        """
        self.subscribe("orders")
        self.write(40)
        self.world.tracker.reading = []
        self.client.session.drained()
        self.world.turn()
        for n in range(100):
            self.world.hub.presence.track(self.client.session, "c9", ORDERS, "ann", b'{"n":%d}' % n)
            self.world.turn()
        self.assertKept()
        while self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()
            self.world.turn()
        found = [each for each in self.seen(self.client) if isinstance(each, dict)]
        self.assertEqual(found[-1].get("state") or found[-1]["members"][0]["state"], {"n": 99})

    def test_presenceFloodBefore(self) -> None:
        """
        Where they come before the client is told that it is subscribed, the set comes behind
        that answer, and once.
        """
        since = self.leaveKept()
        self.world.history.reading = reading = []
        client = self.world.connect()
        client.send(type="subscribe", topic="chat/a", since=since)
        other = self.world.connect()
        for n in range(100):
            other.send(type="track", topic="chat/a", state={"n": n})
            self.world.turn()
        while reading:
            reading.pop(0)()
            self.world.turn()
        kinds = [frame.get("event", frame["type"]) for frame in client.take()]
        self.assertEqual(kinds[:2], ["subscribed", "presence:sync"])
        self.assertEqual(kinds.count("presence:sync"), 1)

    def leaveKept(self) -> str:
        """
        Keep more than the log has in memory, behind a position.
        """
        first = self.world.connect()
        first.positions = True
        (answer,) = first.ask(type="subscribe", topic="chat/a")
        first.die()
        for _ in range(30):
            self.world.hub.publisher.publish(Topic("chat/a", "p"), "e", b"0", None, True)
        self.world.turn()
        return str(answer["pos"])

    def test_presenceNobodyLeft(self) -> None:
        """
        A set that is told again because the client was too slow, and has no member left, is
        told as an empty one.
        """
        for paged in (False, True):
            client = self.world.connect()
            client.ask(type="subscribe", topic="chat/a", sync=paged)
            client.session.congested()
            other = self.world.connect()
            for n in range(100):
                other.send(type="track", topic="chat/a", state={"n": n})
                self.world.turn()
            other.close()
            client.session.drained()
            page, *synced = client.take()
            self.assertEqual(page["data"], {"members": [], **({"page": 0} if paged else {})})
            self.assertEqual([frame["type"] for frame in synced], ["synced"] * paged)

    def test_failsAtOnce(self) -> None:
        """
        Where what is missing turns out while the next piece is asked for, nothing comes
        behind the end of the subscription.
        """
        self.patch(replay, "PAGE", 3)
        self.patch(pacing, "CHUNK", 5000)
        since = self.leaveKept()
        history = self.world.history
        read = history.readPast

        def forgetting(*args: Any) -> Any:
            reading = read(*args)
            history.forget(history.messages[5].createdAt)
            return reading

        self.patch(history, "readPast", forgetting)
        frames = self.client.ask(type="subscribe", topic="chat/a", since=since)
        kinds = [frame["type"] for frame in frames]
        self.assertEqual((kinds[0], kinds[-2:]), ("subscribed", ["error", "unsubscribed"]))

    def test_events(self) -> None:
        """
        What a server publishes on a table's topic comes in its place among the rows.
        """
        self.subscribe("orders")
        self.write(30)
        self.world.hub.publisher.publish(ORDERS, "e", b'"between"', None, False)
        self.write(10)
        self.assertKept()
        self.assertEqual(self.read(), [*range(1, 31), "between", *range(31, 41)])

    def test_eventsLost(self) -> None:
        """
        Where it is in memory no more the client is closed, and is told of the gap when it
        comes back.
        """
        self.client.positions = True
        (answer,) = self.client.ask(type="subscribe", topic="orders")
        self.client.session.congested()
        self.write(30)
        self.world.hub.publisher.publish(ORDERS, "e", b"0", None, False)
        self.write(40)
        self.read()
        assert self.client.connection.closing is not None
        self.assertEqual(self.client.connection.closing[0], CLOSE_SLOW)
        again = self.world.connect()
        (answer,) = again.ask(type="subscribe", topic="orders", since=answer["pos"])
        self.assertEqual(answer["gap"], {"reason": "expired"})


class EndTests(OutboundCase):
    """
    What becomes of a client that is behind.
    """

    def test_pruned(self) -> None:
        """
        When what it has not read is gone it is closed.
        """
        self.subscribe("orders")
        self.write(60)
        self.patch(
            self.world.tracker,
            "surveyPast",
            lambda *_: self.world.tracker.columns("").addCallback(lambda _: "expired"),
        )
        self.read()
        assert self.client.connection.closing is not None
        self.assertEqual(self.client.connection.closing[0], CLOSE_SLOW)

    def test_unreadable(self) -> None:
        """
        While the database cannot be read it waits, wherever it stands, and goes on from
        there, with nothing lost and nothing twice.
        """
        self.subscribe("orders")
        self.write(60)
        tracker = self.world.tracker
        tracker.reading = []
        self.client.session.drained()
        # The question whether it is all there, and three pages.
        for _ in range(3):
            self.world.turn()
            tracker.reading.pop(0)()
            self.write(2)
        third = tracker.reading.pop(0)
        tracker.fault, tracker.reading = OSError("no"), None
        third()
        self.world.turn()
        self.assertEqual(self.seen(self.client), list(range(1, 31)))
        self.write(30)
        for _ in range(5):
            self.world.clock.advance(recovery.RETRY)
        self.assertEqual(self.seen(self.client), [])
        self.assertKept()
        tracker.fault = None
        self.world.clock.advance(recovery.RETRY)
        self.assertEqual(self.seen(self.client), list(range(31, 97)))
        self.assertGreater(len(self.flushLoggedErrors(OSError)), 2)

    def test_notAskedWhileDown(self) -> None:
        """
        While the feed is known to be down the database is not asked for it.
        """
        self.subscribe("orders")
        self.write(60)
        self.world.tracker.fault = OSError("no")
        self.world.feeds.feedDown("It is down.")
        self.read()
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        for _ in range(10):
            self.world.clock.advance(recovery.RETRY)
        self.assertEqual(self.flushLoggedErrors(OSError), [])
        self.world.tracker.fault = None
        self.world.feeds.feedUp()
        self.world.clock.advance(recovery.RETRY)
        self.assertEqual(self.seen(self.client), [*range(1, 61), "status", "status"])

    def test_gone(self) -> None:
        """
        One that is gone meanwhile is asked nothing and leaves nothing.
        """
        self.subscribe("orders")
        self.write(60)
        self.world.tracker.fault = OSError("no")
        self.read()
        self.client.die()
        self.world.advance(20)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_unsubscribed(self) -> None:
        """
        Who leaves the topic gets nothing more of it.
        """
        self.subscribe("orders")
        self.write(60)
        self.client.send(type="unsubscribe", topic="orders")
        self.assertEqual(self.read(), ["unsubscribed"])
        self.write(1)
        self.assertEqual(self.seen(self.client), [])

    def test_subscribedAgain(self) -> None:
        """
        Who asks for the topic again gets what comes from then on.
        """
        self.subscribe("orders")
        self.write(60)
        self.client.send(type="subscribe", topic="orders")
        self.write(1)
        self.assertEqual(self.read(), ["subscribed", 61])

    def test_leftWaiting(self) -> None:
        """
        What waits of a topic that the client leaves is not sent, and costs nobody anything
        when room has to be made.
        """
        others = [self.world.connect() for _ in range(2)]
        for other in others:
            other.ask(type="subscribe", topic="orders")
            other.session.congested()
        self.subscribe("orders", "chat/a")
        self.write(8)
        self.client.send(type="unsubscribe", topic="orders")
        self.say(11)
        self.write(60)
        found = self.read()
        for other in others:
            other.session.drained()
        self.assertKept()
        self.assertEqual([each for each in found if each != "error"], ["unsubscribed", *range(11)])
        for other in others:
            self.assertEqual(self.seen(other), list(range(1, 69)))

    def test_subscribedAgainWaiting(self) -> None:
        """
        What waits of a subscription is neither sent nor read again in one that replaces it.
        """
        self.subscribe("orders", "chat/a")
        self.write(8)
        self.client.send(type="subscribe", topic="orders", filter={"side": 1})
        self.write(60)
        self.assertEqual(self.read(), ["subscribed", *range(9, 69, 2), "commit"])

    def test_oneFails(self) -> None:
        """
        A client that cannot be sent its past is closed, and the others have theirs.
        """
        others = [self.world.connect() for _ in range(3)]
        for other in others:
            other.ask(type="subscribe", topic="orders")
            other.session.congested()
        self.write(60)

        handOver = self.world.hub.delivery.fanout.handOver

        def broken(topic: str, subscriber: Any) -> None:
            if subscriber is others[0].session:
                raise ValueError("broken")
            handOver(topic, subscriber)

        self.patch(self.world.hub.delivery.fanout, "handOver", broken)
        for other in others:
            other.session.drained()
        self.world.turn()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(others[0].connection.closing, (1011, "the daemon failed"))
        for other in others[1:]:
            self.assertEqual(self.seen(other), list(range(1, 61)))

    def test_shut(self) -> None:
        """
        After the close nothing is sent any more, whatever the socket does.
        """
        self.subscribe("chat/a")
        self.client.session.close(1000, "bye")
        for socket in (self.client.session.drained, self.client.session.congested) * 2:
            socket()
            self.client.session.send(Pong())
        self.assertEqual(self.seen(self.client), [])
        self.assertEqual(self.client.session.queued, 0)

    def test_tableMadeAgain(self) -> None:
        """
        When the table was made again what it has not read leads nowhere: it is closed.
        """
        self.subscribe("orders")
        self.write(60)
        self.patch(self.world.tracker, "lineage", lambda table: "j2")
        self.read()
        assert self.client.connection.closing is not None
        self.assertEqual(self.client.connection.closing[0], CLOSE_SLOW)
