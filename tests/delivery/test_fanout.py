"""
Tests for L{aerostack.delivery.fanout}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from aerostack.delivery.fanout import MAX_WAITING, Fanout
from aerostack.delivery.turnend import TurnEnd
from aerostack.interfaces.messaging import ISubscriber
from aerostack.protocol.framing import Frame, textFrame


class Turning(Clock):
    """
    A clock that turns as the reactor does: a call that is scheduled for now during a turn comes in
    the next turn.
    """

    def turn(self) -> None:
        """
        Turn once.
        """
        due, self.calls = self.calls, []
        for call in due:
            call.called = 1
            call.func(*call.args, **call.kw)


@implementer(ISubscriber)
class Reader:
    """
    A subscriber.

    @ivar got: What each write brought.
    """

    def __init__(self) -> None:
        self.got: list[str] = []

    def deliver(self, frame: Frame) -> None:
        self.got.append("".join(bytes(part[2:]).decode() for part in frame.parts))

    @property
    def text(self) -> str:
        """
        Everything that the subscriber got, in a row.
        """
        return "".join(self.got)


class Faulty(Reader):
    """
    A subscriber that cannot be served.
    """

    def deliver(self, frame: Frame) -> None:
        raise ValueError("broken")


def crowd(count: int) -> tuple[Reader, ...]:
    """
    Several subscribers.
    """
    return tuple(Reader() for _ in range(count))


class FanoutTests(SynchronousTestCase):
    """
    Tests for L{Fanout}, of slices of ten.
    """

    def setUp(self) -> None:
        self.clock = Turning()
        self.fanout = Fanout(TurnEnd(self.clock), 10)

    def send(self, topic: str, readers: tuple[Reader, ...], *texts: str) -> None:
        """
        Publish a frame for each text.
        """
        for text in texts:
            self.fanout.send(topic, readers, textFrame(text.encode(), topic))

    def turn(self) -> None:
        """
        Let the reactor turn once.
        """
        self.clock.turn()

    def test_whenSent(self) -> None:
        """
        Functions are called when all waiting frames are sent, at once if none wait.
        """
        told: list[str] = []
        readers = crowd(15)
        self.fanout.whenSent("a", lambda: told.append("nothing"))
        self.send("a", readers, "1")
        self.fanout.whenSent("a", lambda: told.append("first"))
        self.fanout.whenSent("a", lambda: told.append("second"))
        self.assertEqual(told, ["nothing"])
        self.turn()
        self.assertEqual((readers[9].got, readers[14].got, told), (["1"], [], ["nothing"]))
        self.turn()
        self.assertEqual((readers[14].got, told), (["1"], ["nothing", "first", "second"]))

    def test_sampleSent(self) -> None:
        """
        For each pass only the first function is kept that measures it, whatever else waits.
        """
        told: list[str] = []
        readers = crowd(15)
        self.assertTrue(self.fanout.sampleSent("a", lambda: told.append("nothing")))
        self.send("a", readers, "1")
        self.fanout.whenSent("a", lambda: told.append("sent"))
        self.assertTrue(self.fanout.sampleSent("a", lambda: told.append("first")))
        self.assertFalse(self.fanout.sampleSent("a", lambda: told.append("second")))
        self.turn()
        self.turn()
        self.assertEqual(told, ["nothing", "first", "sent"])

    def test_quiet(self) -> None:
        """
        While things are quiet a publication goes out at once, and nothing stays behind.
        """
        readers = crowd(3)
        self.send("a", readers, "1")
        self.assertEqual([reader.got for reader in readers], [["1"]] * 3)
        self.turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.send("a", readers, "2")
        self.assertEqual(readers[0].got, ["1", "2"])

    def test_gathered(self) -> None:
        """
        Publications that follow in the same turn go out in one write.
        """
        readers = crowd(3)
        self.send("a", readers, "1", "2", "3")
        self.assertEqual(readers[2].got, ["1"])
        self.assertTrue(self.fanout.isSending("a"))
        self.turn()
        self.assertEqual(readers[2].got, ["1", "23"])
        self.assertFalse(self.fanout.isSending("a"))

    def test_busy(self) -> None:
        """
        A topic that was busy in the last turn gathers from its first publication on, until it is
        quiet again.
        """
        readers = crowd(1)
        self.send("a", readers, "1", "2", "3")
        self.turn()
        self.send("a", readers, "4", "5")
        self.assertEqual(readers[0].got, ["1", "23"])
        self.turn()
        self.assertEqual(readers[0].got, ["1", "23", "45"])
        self.send("a", readers, "6")
        self.turn()
        self.send("a", readers, "7")
        self.assertEqual(readers[0].got, ["1", "23", "45", "6", "7"])

    def test_sliced(self) -> None:
        """
        A large topic is served in slices, and other topics are served in between.
        """
        many, few = crowd(35), crowd(2)
        self.send("large", many, "1")
        self.send("small", few, "x")
        served = []
        for _ in range(6):
            self.turn()
            served.append((sum(map(len, (r.got for r in many))), len(few[0].got)))
        self.assertEqual(served, [(10, 0), (18, 1), (28, 1), (35, 1), (35, 1), (35, 1)])
        self.assertEqual([reader.text for reader in many], ["1"] * 35)

    def test_manyTopics(self) -> None:
        """
        Frames of many topics for the same subscribers go out in the same turn, so that their
        connections gather them.
        """
        fanout = Fanout(TurnEnd(self.clock), 100)
        readers = crowd(25)
        for number in range(10):
            topic = f"topic{number}"
            fanout.send(topic, tuple(readers), textFrame(str(number).encode(), topic))
        self.assertEqual({reader.text for reader in readers}, {"0123"})
        self.turn()
        self.assertEqual({reader.text for reader in readers}, {"0123456789"})

    def test_manySubscribers(self) -> None:
        """
        Topics with many subscribers, each of whom has one of the topics, take more than a turn.
        """
        many = [crowd(10) for _ in range(3)]
        for number, readers in enumerate(many):
            self.send(f"topic{number}", readers, "x")
        served = []
        for _ in range(3):
            served.append(sum(len(reader.got) for readers in many for reader in readers))
            self.turn()
        self.assertEqual(served, [10, 20, 30])

    def test_hundredThousand(self) -> None:
        """
        A hundred thousand subscribers are served in order, in turns that a small topic does not
        notice.
        """
        fanout = Fanout(TurnEnd(self.clock))
        many, few = crowd(100_000), crowd(1)
        fanout.send("large", many, textFrame(b"1", "large"))
        fanout.send("large", many, textFrame(b"2", "large"))
        turns = 0
        while fanout.isSending("large"):
            before = sum(1 for reader in many if reader.got)
            fanout.send("small", few, textFrame(b"x", "small"))
            self.turn()
            self.turn()
            turns += 1
            self.assertLessEqual(sum(1 for reader in many if reader.got) - before, 8000)
            self.assertEqual(len(few[0].text), turns)
        self.assertEqual({reader.text for reader in many}, {"12"})

    def test_moreMeanwhile(self) -> None:
        """
        A publication that comes during a pass reaches every subscriber after it.
        """
        many = crowd(25)
        self.send("a", many, "1")
        self.turn()
        self.send("a", many, "2", "3")
        while self.fanout.isSending("a"):
            self.turn()
        self.assertEqual({reader.text for reader in many}, {"123"})
        self.assertEqual(many[0].got, ["1", "23"])

    def test_joining(self) -> None:
        """
        A subscriber that joins gets nothing that was published before, and one that stays gets
        everything.
        """
        old = crowd(25)
        self.send("a", old, "1")
        self.turn()
        new = Reader()
        self.fanout.dropPending("a", new)
        self.send("a", (*old, new), "2")
        while self.fanout.isSending("a"):
            self.turn()
        self.assertEqual({reader.text for reader in old}, {"12"})
        self.assertEqual(new.text, "2")

    def test_leaving(self) -> None:
        """
        A subscriber that leaves gets nothing more of what waits, even if it joins again at once.
        """
        readers = crowd(25)
        self.send("a", readers, "1")
        self.turn()
        self.fanout.dropPending("a", readers[-1])
        self.fanout.dropPending("a", readers[-1])
        self.send("a", readers, "2")
        while self.fanout.isSending("a"):
            self.turn()
        self.assertEqual(readers[-1].text, "2")
        self.assertEqual({reader.text for reader in readers[:-1]}, {"12"})

    def test_fault(self) -> None:
        """
        A subscriber that fails costs the others nothing.
        """
        readers = (Reader(), Faulty(), Reader())
        self.send("a", readers, "1")
        self.assertEqual((readers[0].text, readers[2].text), ("1", "1"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_backlog(self) -> None:
        """
        The fanout knows how many bytes of a topic wait.
        """
        many = crowd(25)
        self.assertEqual(self.fanout.backlog("a"), 0)
        self.send("a", many, "1", "2")
        self.assertEqual(self.fanout.backlog("a"), 6)
        self.assertEqual(self.fanout.backlog("b"), 0)
        while self.fanout.isSending("a"):
            self.turn()
        self.assertEqual(self.fanout.backlog("a"), 0)

    def test_handOver(self) -> None:
        """
        A subscriber can be sent at once what waits for it, and does not get it twice; for others it
        waits its turn.
        """
        readers = crowd(25)
        self.send("a", readers, "1")
        self.send("a", readers, "2", "3")
        self.fanout.handOver("a", readers[-1])
        self.fanout.handOver("a", readers[-1])
        self.assertEqual((readers[-1].text, readers[-2].text), ("123", ""))
        self.send("a", readers, "4")
        while self.fanout.isSending("a"):
            self.turn()
        self.assertEqual({reader.text for reader in readers}, {"1234"})
        self.fanout.handOver("a", readers[-1])
        self.fanout.handOver("b", readers[-1])
        self.assertEqual(readers[-1].text, "1234")

    def test_handOverWithin(self) -> None:
        """
        A subscriber that a pass has served already gets nothing more of it.
        """
        readers = crowd(25)
        self.send("a", readers, "1")
        self.turn()
        self.fanout.handOver("a", readers[0])
        self.assertEqual(readers[0].text, "1")

    def test_handOverToNewcomer(self) -> None:
        """
        A new subscriber is not sent what was published before it came.
        """
        readers = crowd(25)
        self.send("a", readers, "1")
        self.fanout.dropPending("a", readers[-1])
        self.fanout.handOver("a", readers[-1])
        self.assertEqual(readers[-1].text, "")

    def test_room(self) -> None:
        """
        A caller that can wait learns when the backlog has shrunk.
        """
        many = crowd(25)
        self.assertIsNone(self.fanout.whenDrained())
        frame = textFrame(b"x" * (MAX_WAITING // 2), "a")
        for _ in range(3):
            self.fanout.send("a", many, frame)
        self.fanout.send("b", many, frame)
        waiting = self.fanout.whenDrained()
        assert waiting is not None
        for _ in range(2):
            self.turn()
            self.assertNoResult(waiting)
        while self.fanout.isSending("a") or self.fanout.isSending("b"):
            self.turn()
        self.assertIsNone(self.successResultOf(waiting))
        self.assertIsNone(self.fanout.whenDrained())

    def test_delivered(self) -> None:
        """
        Every frame that a subscriber gets is counted.
        """
        readers = crowd(25)
        self.send("a", readers[:3], "1", "2", "3")
        self.send("b", readers, "4")
        self.fanout.flush()
        self.assertEqual(self.fanout.delivered, 34)

    def test_flush(self) -> None:
        """
        A flush sends everything that waits.
        """
        many, few = crowd(25), crowd(3)
        self.send("a", many, "1", "2")
        self.send("b", few, "x", "y")
        self.fanout.flush()
        self.assertEqual({reader.text for reader in many}, {"12"})
        self.assertEqual({reader.text for reader in few}, {"xy"})

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("send"), st.sampled_from("ab"), st.integers(0, 7)),
                st.tuples(st.just("toggle"), st.sampled_from("ab"), st.integers(0, 7)),
                st.tuples(st.just("turn"), st.just(""), st.just(0)),
            ),
            max_size=80,
        ),
        st.integers(1, 6),
    )
    def test_order(self, steps: list[tuple[str, str, int]], size: int) -> None:
        """
        However publications, turns, joins and leaves are mixed, each subscriber gets what was
        published on a topic while it was subscribed, once and in order; it loses only what waits
        when it leaves.
        """
        clock = Turning()
        fanout = Fanout(TurnEnd(clock), size)
        readers = [Reader() for _ in range(8)]
        # One subscription after another of each reader to each topic: what was published.
        stays: dict[tuple[str, int], list[list[str]]] = {}
        members: dict[str, tuple[Reader, ...]] = {"a": (), "b": ()}
        for number, (step, topic, who) in enumerate(steps):
            if step == "send":
                if members[topic]:
                    frame = textFrame(f"<{topic}{number}>".encode(), topic)
                    fanout.send(topic, members[topic], frame)
                for reader in members[topic]:
                    stays[topic, readers.index(reader)][-1].append(f"<{topic}{number}>")
            elif step == "toggle":
                reader = readers[who]
                fanout.dropPending(topic, reader)
                if reader in members[topic]:
                    members[topic] = tuple(r for r in members[topic] if r is not reader)
                    got = [t for t in stays[topic, who][-1] if t in reader.text]
                    self.assertEqual(got, stays[topic, who][-1][: len(got)])
                    # What waited is lost to it, and must not come later.
                    stays[topic, who][-1] = got
                else:
                    members[topic] = (*members[topic], reader)
                    stays.setdefault((topic, who), []).append([])
            else:
                clock.turn()
        fanout.flush()
        for (topic, who), published in stays.items():
            got = [f"<{part}" for part in readers[who].text.split("<") if part.startswith(topic)]
            self.assertEqual(got, [text for stay in published for text in stay])
