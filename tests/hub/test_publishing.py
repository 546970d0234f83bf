"""
Tests for L{aerostack.hub.publishing}, with the delivery behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.latencies import Spread
from aerostack.core.replay.publications import EmittedMark, Receipt
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.commitqueue import CommitQueues
from aerostack.testing import Frame, World, readFrames

ROOM = Topic("chat/a", "p")


class Listener:
    """
    A subscriber that keeps what it gets.

    @ivar raw: The bytes of each frame.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.raw: list[bytes] = []

    def deliver(self, frame: bytes) -> None:
        self.raw.append(frame)

    def isSyncing(self, topic: str) -> bool:
        return False

    def sync(self, topic: str, frames: Iterator[bytes], paged: bool, atOnce: bool) -> None:
        self.raw.extend(frames)

    def take(self) -> list[Frame]:
        """
        Every frame since the last call.
        """
        self.world.turn()
        raw, self.raw = self.raw, []
        frames = [frame for data in raw for frame in readFrames(data)]
        for frame in frames:
            frame.pop("pos", None)
        return frames


class HubTests(SynchronousTestCase):
    """
    A hub with one subscriber in L{ROOM}.
    """

    def setUp(self) -> None:
        self.world = World()
        self.hub = self.world.hub
        self.listener = Listener(self.world)
        self.hub.subscribe(self.listener, ROOM, None)

    def publish(self, data: Any, persist: bool = False, topic: Topic = ROOM) -> Deferred[Any]:
        """
        Publish.
        """
        return maybeDeferred(self.hub.publisher.publish, topic, "e", b"%d" % data, None, persist)

    def data(self) -> list[Any]:
        """
        The data of every frame since the last call.
        """
        return [frame["data"] for frame in self.listener.take()]


class EmittedTests(HubTests):
    """
    Tests for L{Publisher.publishEmitted}.
    """

    def emit(self, number: int, persist: bool = False) -> Any:
        mark = EmittedMark(number, f"k{number}")
        return self.hub.publisher.publishEmitted(ROOM, "e", b"%d" % number, persist, mark)

    def test_order(self) -> None:
        """
        An event of a transaction has its place among all others of its topic, and the message that
        keeps it has its row.
        """
        self.world.history.held = []
        self.publish(1, persist=True)
        kept, event = self.emit(2, persist=True), self.emit(3)
        self.publish(4)
        self.assertNoResult(kept)
        (*_, (message, _)) = self.world.history.held
        self.assertEqual(message.emitted, EmittedMark(2, "k2"))
        self.world.history.release()
        self.successResultOf(kept)
        self.successResultOf(event)
        self.assertEqual(self.data(), [1, 2, 3, 4])

    def test_notRemembered(self) -> None:
        """
        Events of transactions take no place among those that clients may send again.
        """
        for number in range(3):
            self.assertIsNone(self.emit(number))
        self.assertEqual(len(self.hub.publisher._idempotency), 0)


class PublishTests(HubTests):
    """
    Tests for L{Publisher.publish} and L{Publisher.chat}.
    """

    def test_latencies(self) -> None:
        """
        The latency of a publication ends when its subscribers were handed the frame, and contains
        the time in which it was kept.
        """
        self.publish(1)
        self.assertEqual(self.hub.publisher.latencies.take(), Spread(0.0, 0.0))
        self.world.history.held = []
        self.publish(2, persist=True)
        self.publish(3)
        self.world.clock.advance(0.5)
        self.assertIsNone(self.hub.publisher.latencies.take())
        self.world.history.release()
        self.world.turn()
        self.assertEqual(self.hub.publisher.latencies.take(), Spread(500.0, 500.0))

    def test_latencyOfFlood(self) -> None:
        """
        A frame that waits for the end of the turn is measured until it has gone out.
        """
        self.publish(1)
        self.publish(2)
        self.world.clock.advance(0.25)
        self.assertEqual(self.hub.publisher.latencies.take(), Spread(0.0, 250.0))

    def test_timingOfAll(self) -> None:
        """
        The histogram counts every publication, also those that went out with another.
        """
        for n in range(5):
            self.publish(n)
        self.world.turn()
        self.assertEqual(self.hub.publisher.durations.of(ROOM.canonical).count, 2)
        self.publish(5)
        self.world.turn()
        self.assertEqual(
            self.hub.publisher.durations.of(ROOM.canonical).count, self.hub.delivery.published
        )

    def test_latencyOfNothing(self) -> None:
        """
        A publication that could not be kept is not measured.
        """
        self.world.history.held = []
        publishing = self.publish(1, persist=True)
        self.world.history.refuse()
        self.failureResultOf(publishing, RealtimeError)
        self.assertIsNone(self.hub.publisher.latencies.take())
        self.world.history.held = None
        self.publish(2)
        self.assertEqual(self.hub.publisher.durations.of(ROOM.canonical).count, 1)

    def test_frame(self) -> None:
        """
        The frame of an event has its topic, its data, its user and its time.
        """
        self.assertIsNone(self.hub.publisher.publish(ROOM, "moved", b'{"x":1}', "ann", False))
        self.assertEqual(
            self.listener.take(),
            [
                {
                    "type": "event",
                    "topic": "chat/a/p",
                    "event": "moved",
                    "data": {"x": 1},
                    "userId": "ann",
                    "timestamp": 1_000_000_000_000,
                }
            ],
        )
        self.assertEqual(self.world.history.messages, [])

    def test_nobody(self) -> None:
        """
        The frame of an event without a user names none.
        """
        self.publish(1)
        (frame,) = self.listener.take()
        self.assertNotIn("userId", frame)

    def test_once(self) -> None:
        """
        All subscribers get the same bytes.
        """
        others = [Listener(self.world) for _ in range(3)]
        for other in others:
            self.hub.subscribe(other, ROOM, None)
        self.publish(1)
        for other in others:
            self.assertIs(other.raw[0], self.listener.raw[0])

    def test_otherTopics(self) -> None:
        """
        A client that is not subscribed, or no longer, gets nothing.
        """
        self.publish(1, topic=Topic("chat/a", "q"))
        self.publish(2, topic=Topic("chat/ab", "p"))
        self.assertTrue(self.hub.unsubscribe(self.listener, ROOM))
        self.publish(3)
        self.assertEqual(self.data(), [])
        self.assertFalse(self.hub.unsubscribe(self.listener, ROOM))

    def test_leavingWhileDelivered(self) -> None:
        """
        A subscriber that ends its subscription while it is served takes nothing away
        from the others.
        """
        hub = self.hub

        class Leaving(Listener):
            def deliver(self, frame: bytes) -> None:
                super().deliver(frame)
                hub.unsubscribe(self, ROOM)

        leaving, last = Leaving(self.world), Listener(self.world)
        for subscriber in (leaving, last):
            hub.subscribe(subscriber, ROOM, None)
        self.publish(1)
        self.assertEqual([len(one.raw) for one in (self.listener, leaving, last)], [1, 1, 1])

    def test_kept(self) -> None:
        """
        A message is delivered after it was kept, with the time under which the history has it.
        """
        first = self.successResultOf(self.publish(1, persist=True))
        second = self.successResultOf(self.publish(2, persist=True))
        self.assertIsInstance(second, Receipt)
        self.assertEqual(second.createdAt, first.createdAt + 1)
        times = [frame["timestamp"] for frame in self.listener.take()]
        self.assertEqual(times, [first.createdAt, second.createdAt])
        self.assertNotEqual(first.id, second.id)

    def test_order(self) -> None:
        """
        A topic's publications come in the order in which they were published, although some are
        kept first; another topic does not wait.
        """
        self.world.history.held = []
        other = Listener(self.world)
        self.hub.subscribe(other, Topic("chat/b", "p"), None)
        waiting = [self.publish(1, persist=True), self.publish(2), self.publish(3, persist=True)]
        self.publish(9, topic=Topic("chat/b", "p"))
        self.assertEqual(self.data(), [])
        self.assertEqual([frame["data"] for frame in other.take()], [9])
        for done in waiting:
            self.assertNoResult(done)
        self.world.history.release()
        self.assertEqual(self.data(), [1, 2, 3])
        for done in waiting:
            self.successResultOf(done)
        self.publish(4)
        self.assertEqual(self.data(), [4])

    def test_lost(self) -> None:
        """
        A message that could not be kept reaches no subscriber, and what waited behind it goes on.
        """
        self.world.history.held = []
        lost, later = self.publish(1, persist=True), self.publish(2)
        self.world.history.refuse()
        error = self.failureResultOf(lost, RealtimeError).value
        self.assertEqual(error.code, "database_unavailable")
        self.successResultOf(later)
        self.assertEqual(self.data(), [2])

    def again(self, persist: bool = True) -> Deferred[Any]:
        """
        Publish the same event under the same id.
        """
        return maybeDeferred(
            self.hub.publisher.publish, ROOM, "e", b"1", "ann", persist, "key", "7"
        )

    def test_lostTwice(self) -> None:
        """
        A message that could not be kept is acknowledged to none of the clients that published it;
        when it comes again it is published.
        """
        self.world.history.held = []
        waiting = [self.again() for _ in range(4)]
        self.world.history.refuse()
        for lost in waiting:
            self.failureResultOf(lost, RealtimeError)
        self.assertIsInstance(self.successResultOf(self.again()), Receipt)
        self.assertEqual(self.data(), [1])

    def test_lostAndForgotten(self) -> None:
        """
        A publication that fails late does not remove the outcome of a later one.
        """
        self.world.history.held = []
        lost = self.again()
        held, self.world.history.held = self.world.history.held, None
        self.world.clock.advance(1000)
        # The first is not remembered any more, and still stands before the second.
        second = self.again()
        held[0][1].errback(RealtimeError("database_unavailable", "It is gone.", 1000))
        self.failureResultOf(lost, RealtimeError)
        for done in (second, self.again()):
            self.successResultOf(done)
        self.assertEqual(self.data(), [1])

    def test_keptAfterwards(self) -> None:
        """
        An event that was published without being kept is not acknowledged as kept when it comes
        again.
        """
        self.assertIsNone(self.successResultOf(self.again(persist=False)))
        self.assertIsInstance(self.successResultOf(self.again()), Receipt)
        self.assertEqual(len(self.world.history.messages), 1)

    def test_atOnce(self) -> None:
        """
        An event that has its place at once gives no L{Deferred}, nor does the same event when it
        comes again; subscribers get it once.
        """
        arguments = ROOM, "e", b"1", "ann", False, "key", "7"
        for _ in range(2):
            self.assertIsNone(self.hub.publisher.publish(*arguments))
        self.assertEqual(self.data(), [1])

    def test_againWhileItWaits(self) -> None:
        """
        An event that waits behind a message, and comes again meanwhile, has its place for both
        publishers when the message is kept; subscribers get it once.
        """
        self.world.history.held = []
        self.publish(2, persist=True)
        waiting = [self.again(persist=False) for _ in range(2)]
        for done in waiting:
            self.assertNoResult(done)
        self.world.history.release()
        self.assertEqual([self.successResultOf(done) for done in waiting], [None, None])
        self.assertEqual(self.data(), [2, 1])

    def test_table(self) -> None:
        """
        A table's topic keeps nothing, so no event is acknowledged as kept there.
        """
        error = self.failureResultOf(
            self.publish(1, persist=True, topic=Topic("table/orders", "p")), RealtimeError
        ).value
        self.assertEqual(error.code, "invalid_arguments")
        self.assertEqual(self.world.history.messages, [])

    def test_broken(self) -> None:
        """
        A publication that fails by a fault of the daemon does not stop what waits behind it.
        """
        self.world.history.held = []
        waiting = [self.publish(n, persist=True) for n in (1, 2)]
        engine: Any = self.hub.publisher._engine
        publish = engine.publish

        def broken(publication: Any, *_: Any) -> None:
            engine.publish = publish
            raise ZeroDivisionError

        engine.publish = broken
        self.world.history.release()
        self.failureResultOf(waiting[0], ZeroDivisionError)
        self.successResultOf(waiting[1])
        self.assertEqual(self.data(), [2])

    def test_tooManyWait(self) -> None:
        """
        When too many publications wait on a topic, more are refused for now.
        """
        self.world.history.held = []
        self.patch(CommitQueues, "maxWaiting", 2)
        waiting = [self.publish(n, persist=bool(n)) for n in (1, 0)]
        error = self.failureResultOf(self.publish(3), RealtimeError).value
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.world.history.release()
        for done in waiting:
            self.successResultOf(done)
        self.successResultOf(self.publish(4))
        self.assertEqual(self.data(), [1, 0, 4])

    def test_tooManyBytes(self) -> None:
        """
        What waits for the database is bounded in bytes, on each topic and on all of them; a refused
        publication is taken when the database has caught up.
        """
        self.patch(CommitQueues, "maxTopicBytes", 20_000)
        self.patch(CommitQueues, "maxBytes", 50_000)
        data = b'"%b"' % (b"x" * 4000)
        self.world.history.held = []

        def fill(topic: Topic) -> list[Deferred[Any]]:
            publishing = [
                self.hub.publisher.publish(topic, "e", data, None, persist)
                for persist in (True, False) * 10
            ]
            refused = []
            for each in publishing:
                each.addErrback(refused.append)
            self.assertEqual({f.value.code for f in refused}, {"database_unavailable"})
            self.assertEqual({f.value.retryAfter for f in refused}, {1000})
            counts.append(len(publishing) - len(refused))
            return publishing

        counts: list[int] = []
        topics = [Topic(f"chat/{name}", "p") for name in "bcdef"]
        for topic in topics[:3]:
            fill(topic)
        self.assertEqual(counts, [3, 3, 3])
        # A first one that does not fit either is refused as well.
        error = self.failureResultOf(
            self.hub.publisher.publish(topics[4], "e", data * 2, None, True), RealtimeError
        )
        self.assertIn("on all topics", error.value.message)
        self.world.history.release()
        self.world.history.held = []
        fill(topics[0])
        self.assertEqual(counts.pop(), 3)

    def test_fromCallback(self) -> None:
        """
        A publication that is published when another was kept comes after it.
        """
        self.world.history.held = []
        self.publish(1, persist=True).addCallback(lambda _: self.publish(3))
        self.publish(2)
        self.world.history.release()
        self.assertEqual(self.data(), [1, 2, 3])

    def test_chat(self) -> None:
        """
        A chat message is kept as it is delivered, under the id that it carries.
        """
        kept = self.successResultOf(self.hub.publisher.chat(ROOM, "hi", {"a": Raw(b"[1]")}, "ann"))
        (frame,) = self.listener.take()
        self.assertEqual((frame["type"], frame["event"]), ("chat_message", "message"))
        self.assertEqual(frame["data"], {"id": kept.id, "text": "hi", "metadata": {"a": [1]}})
        self.assertEqual((frame["userId"], frame["timestamp"]), ("ann", kept.createdAt))
        self.assertEqual([each.receipt for each in self.world.history.messages], [kept])
