"""
Tests for L{aerostack.delivery.outbound}: rows beside frames that exist nowhere else, for
clients that read too slowly.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.topics.topics import Topic
from aerostack.errors import CLOSE_SLOW
from aerostack.recovery import pacing, replay
from tests.delivery.slowreaders import ORDERS, OutboundCase


class MixedTests(OutboundCase):
    """
    Rows beside frames that cannot be read again.
    """

    def test_messagesStay(self) -> None:
        """
        Messages wait in the place of rows.  The daemon reads the rows again.
        """
        self.subscribe("orders", "chat/a")
        self.write(8)
        self.say(5)
        self.write(20)
        self.assertKept()
        self.assertEqual(self.read(), [0, 1, 2, 3, 4, *range(1, 29)])

    def test_rowsGiveWay(self) -> None:
        """
        A message for which there is no room takes the place of rows that wait.
        """
        self.subscribe("orders", "chat/a")
        self.write(14)
        self.say(5)
        self.assertKept()
        self.assertEqual(self.read(), [0, 1, 2, 3, 4, *range(1, 15)])

    def test_rowFindsNoRoom(self) -> None:
        """
        A row is not lost if the messages that wait leave no room for it.
        """
        self.subscribe("orders", "chat/a")
        self.fill()
        self.write(3)
        self.assertKept()
        self.assertEqual([each for each in self.read() if each != "x"], ["error", 1, 2, 3])

    def test_tooManyMessages(self) -> None:
        """
        A client is closed if more messages wait for it than may.
        """
        self.subscribe("orders", "chat/a")
        self.write(10)
        self.say(30)
        self.assertEqual(self.client.connection.closing, (CLOSE_SLOW, "reading too slowly; resume"))
        self.assertEqual(self.client.session._outbox.waiting, 0)

    def test_tooManyMessagesHeld(self) -> None:
        """
        A client is closed if the messages that are held while the past is sent, and cannot be read
        again, are too many together with those that wait.  The messages of all topics count
        together.
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
        A client is warned when its messages pass half of what may wait, even if rows wait between
        them.
        """
        self.subscribe("orders", "chat/a")
        self.say(8)
        self.write(2)
        self.say(5)
        self.assertKept()
        self.assertIn("error", self.read())

    def test_presence(self) -> None:
        """
        A client that is behind with the rows of a table still gets joins and leaves on the table's
        topic.
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
        A client is not closed if more changes of presence come than may wait.  In the end it has
        the whole set of members.
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
        A client is not closed either if the changes of presence are held while the past is sent.
        """
        self.subscribe("orders")
        self.write(40)
        self.world.tracker.reading = []
        self.client.session.drained()
        self.world.turn()
        for n in range(100):
            self.world.hub.presence.track("c9", ORDERS, "ann", b'{"n":%d}' % n)
            self.world.turn()
        self.assertKept()
        while self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()
            self.world.turn()
        found = [each for each in self.seen(self.client) if isinstance(each, dict)]
        self.assertEqual(found[-1].get("state") or found[-1]["members"][0]["state"], {"n": 99})

    def test_presenceFloodBefore(self) -> None:
        """
        If the changes of presence come before the client's answer, the set comes once, behind the
        answer.
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
        If a slow client gets a new set and the last member has left, the set is empty.
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
        If the daemon finds out that something is lost while the next page is asked for, nothing
        comes behind the end of the subscription.
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
        An event that a server publishes on a table's topic comes in its place among the rows.
        """
        self.subscribe("orders")
        self.write(30)
        self.world.hub.publisher.publish(ORDERS, "e", b'"between"', None, False)
        self.write(10)
        self.assertKept()
        self.assertEqual(self.read(), [*range(1, 31), "between", *range(31, 41)])

    def test_eventsLost(self) -> None:
        """
        If such an event is no longer in memory, the client is closed, and gets a gap when it comes
        back.
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
