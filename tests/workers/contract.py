"""
What the parts of the daemon that serve clients may expect of publishing and of topics' logs, in one
process or in several.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from aerostack.core.replay.gaps import EXPIRED
from aerostack.core.replay.log import Depth
from aerostack.core.replay.publications import CHAT_MESSAGE, Receipt
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.publishing import IPublisher
from aerostack.testing.connections import readFrames
from tests.workers.machine import Machine, numbers, outcome, positions

ROOM = "chat/room/p"


class Contract:
    """
    The contract.  A test case mixes it in.
    """

    def makeMachine(self, **options: Any) -> Machine:
        """
        Make a machine.
        """
        raise NotImplementedError

    def start(self: Any, **options: Any) -> None:
        """
        Make a machine, with two of its parts that serve clients.  They may be one.
        """
        self.machine = self.makeMachine(**options)
        self.a, self.b = self.machine.fronts[0], self.machine.fronts[-1]

    def test_provides(self: Any) -> None:
        """
        Both parts provide what they are used as.
        """
        self.start()
        self.assertTrue(IPublisher.providedBy(self.a.publisher))
        self.assertTrue(ILogSource.providedBy(self.a.source))

    def test_order(self: Any) -> None:
        """
        All subscribers of a topic get the same frames in the same order, and what one caller
        publishes in its order.
        """
        self.start()
        fronts = self.machine.fronts
        heard = [front.subscribe(ROOM) for front in fronts]
        self.machine.settle()
        for n in range(60):
            front = fronts[n % len(fronts)]
            front.publish(ROOM, b"%d" % n, n % 7 == 0)
            if n % 11 == 0:
                self.machine.clock.advance(0.001)
        self.machine.settle()
        for listener in heard:
            self.assertEqual(listener.frames, heard[0].frames)
        seen = numbers(heard[0].frames)
        self.assertEqual(sorted(seen), list(range(60)))
        for k in range(len(fronts)):
            own = [n for n in seen if n % len(fronts) == k]
            self.assertEqual(own, sorted(own))
        self.assertEqual(len(set(positions(heard[0].frames))), 60)

    def test_bytes(self: Any) -> None:
        """
        Data comes as the bytes that were published, whatever they are.
        """
        self.start()
        heard = self.b.subscribe(ROOM)
        self.machine.settle()
        texts = [
            b'"5"',
            b"5",
            b'"\\u0000"',
            '"é \U0001f600"'.encode(),
            b'"' + b"x" * 262_144 + b'"',
            b'{"a":[1.50,1e3,  null]}',
        ]
        for data in texts:
            self.a.publish(ROOM, data)
        self.machine.settle()
        self.assertEqual(len(heard.frames), len(texts))
        for data, frame in zip(texts, heard.frames, strict=True):
            self.assertIn(b'"data":' + data, frame)

    def test_kept(self: Any) -> None:
        """
        A kept event is published after the commit, with the receipt of its message; one behind it
        waits for it.
        """
        self.start()
        heard = self.b.subscribe(ROOM)
        self.machine.settle()
        self.machine.history.held = []
        first, second = (
            outcome(self.a.publish(ROOM, b"1", True)),
            outcome(self.a.publish(ROOM, b"2")),
        )
        self.machine.settle()
        self.assertEqual((first, second, heard.frames), ([], [], []))
        self.machine.history.release()
        self.machine.settle()
        kept = self.machine.history.messages[0]
        self.assertEqual((first, second), ([Receipt(kept.message.id, kept.createdAt)], [None]))
        self.assertEqual(numbers(heard.frames), [1, 2])
        self.assertEqual(readFrames(heard.frames[0])[0]["timestamp"], kept.createdAt)

    def test_chat(self: Any) -> None:
        """
        A chat message is kept, and comes with its id and its metadata as they were given.
        """
        self.start()
        heard = self.b.subscribe(ROOM)
        self.machine.settle()
        sent = outcome(
            self.a.publisher.chat(topicOf(ROOM), "hi é", {"n": Raw(b"1.50")}, "u", publisher="c")
        )
        self.machine.settle()
        kept = self.machine.history.messages[0]
        self.assertEqual(sent, [kept.receipt])
        self.assertEqual(kept.message.kind, CHAT_MESSAGE)
        self.assertIn(b'"metadata":{"n":1.50}', heard.frames[0])
        self.assertEqual(numbers(heard.frames)[0]["id"], kept.message.id)

    def test_notKept(self: Any) -> None:
        """
        If the database cannot keep an event, the publisher learns why, and no subscriber gets it.
        """
        self.start()
        heard = self.b.subscribe(ROOM)
        self.machine.settle()
        self.machine.history.held = []
        failed = outcome(self.a.publish(ROOM, b"1", True))
        self.machine.settle()
        self.machine.history.refuse()
        self.machine.settle()
        error = failed[0].value
        self.assertIsInstance(error, RealtimeError)
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertEqual(heard.frames, [])

    def test_refused(self: Any) -> None:
        """
        An event on a table's topic cannot be kept.
        """
        self.start()
        failed = outcome(self.a.publish("table/orders/p", b"1", True))
        self.machine.settle()
        self.assertEqual(failed[0].value.code, "invalid_arguments")

    def test_repeat(self: Any) -> None:
        """
        An event that comes again under its id, over any part, is published once, and has the
        outcome of the first.
        """
        for persist in (False, True):
            self.start()
            heard = self.b.subscribe(ROOM)
            self.machine.settle()
            self.machine.history.held = []
            results = [
                outcome(
                    front.publish(ROOM, b"1", persist, repeatKey=("user", "u", "7"), publishId="7")
                )
                for front in (self.a, self.b, self.a)
            ]
            self.machine.settle()
            self.machine.history.release()
            self.machine.settle()
            self.assertEqual(numbers(heard.frames), [1])
            self.assertEqual(results, [results[0]] * 3)
            self.assertEqual(len(results[0]), 1)
            self.assertEqual(len(self.machine.history.messages), int(persist))
            other = outcome(self.b.publish(ROOM, b"2", repeatKey=("user", "u", "7")))
            self.machine.settle()
            self.assertEqual(other, [None])
            self.assertEqual(numbers(heard.frames), [1, 2])

    def test_withoutSubscribers(self: Any) -> None:
        """
        What is published on a topic that has never had a subscriber is accepted, and comes to no
        one.
        """
        self.start()
        sent = outcome(self.a.publish("chat/other/p", b"1"))
        self.machine.settle()
        self.assertEqual(sent, [None])
        self.assertFalse(self.machine.backbone.sequencer.hasLog("chat/other/p"))

    def test_tables(self: Any) -> None:
        """
        Events on a table's topic reach its subscribers, and each part has a log of its own.
        """
        self.start()
        topic = "table/orders/p"
        heard = self.b.subscribe(topic)
        self.machine.settle()
        self.b.sequencer.openTableLog(topic, "l", 5, False)
        self.a.publish(topic, b"1")
        self.machine.settle()
        self.assertEqual(numbers(heard.frames), [1])

    def test_again(self: Any) -> None:
        """
        A topic that was left and is subscribed to again at once comes again, each frame once.
        """
        self.start()
        self.b.subscribe(ROOM)
        self.machine.settle()
        self.a.publish(ROOM, b"1")
        self.b.unsubscribe(ROOM)
        self.a.publish(ROOM, b"2")
        heard = self.b.subscribe(ROOM)
        self.machine.settle()
        self.a.publish(ROOM, b"3")
        self.machine.settle()
        seen = numbers(heard.frames)
        self.assertEqual(seen, [1, 2, 3][-len(seen) :])
        self.b.unsubscribe(ROOM)
        self.a.publish(ROOM, b"4")
        self.machine.settle()
        self.assertEqual(numbers(heard.frames), seen)

    def test_resume(self: Any) -> None:
        """
        A client that comes back to another part, from any position, gets the same frames there
        that it missed.
        """
        self.start()
        heard = self.a.subscribe(ROOM)
        self.machine.settle()
        for n in range(40):
            self.a.publish(ROOM, b"%d" % n, n % 3 == 0)
            if n == 20:
                self.machine.settle()
                self.b.subscribe(ROOM)
        self.machine.settle()
        for n, pos in enumerate(positions(heard.frames)):
            self.assertEqual(self.b.resume(ROOM, pos), heard.frames[n + 1 :])

    def test_expired(self: Any) -> None:
        """
        A client that missed more than the log holds learns that, or gets the kept ones from the
        database.
        """
        for persist in (False, True):
            self.start(depth=Depth(5, 100_000, 1000.0))
            heard = self.a.subscribe(ROOM)
            self.machine.settle()
            for n in range(20):
                self.a.publish(ROOM, b"%d" % n, persist)
            self.machine.settle()
            if self.b is not self.a:
                self.b.subscribe(ROOM)
            self.machine.settle()
            places = positions(heard.frames)
            self.assertEqual(self.b.resume(ROOM, places[14]), heard.frames[15:])
            missed = self.b.resume(ROOM, places[3])
            if persist:
                self.assertEqual(numbers(missed), list(range(4, 20)))
            else:
                self.assertEqual(missed, EXPIRED)

    def test_overloaded(self: Any) -> None:
        """
        What subscribers cannot be sent now is refused, with the time after which to try again.
        """
        self.start()
        self.b.subscribe(ROOM)
        self.machine.settle()
        data = b'"' + b"x" * 200_000 + b'"'
        results = [outcome(self.a.publish(ROOM, data)) for _ in range(200)]
        self.machine.settle()
        refused = [each[0].value for each in results if each != [None]]
        self.assertTrue(refused)
        self.assertEqual(
            {(error.code, bool(error.retryAfter)) for error in refused}, {("overloaded", True)}
        )
        after = outcome(self.a.publish(ROOM, b"1"))
        self.machine.settle()
        self.assertEqual(after, [None])

    def test_latencies(self: Any) -> None:
        """
        How long a publication takes is measured where it came from.
        """
        self.start()
        self.a.subscribe(ROOM)
        self.machine.settle()
        for _ in range(5):
            self.a.publish(ROOM, b"1")
            self.machine.settle()
        self.assertEqual(self.a.publisher.durations.of(ROOM).count, 5)
