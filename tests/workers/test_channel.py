"""
Tests for L{aerostack.workers.channel}, L{aerostack.workers.pipe} and L{aerostack.testing.pipes}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.testing.pipes import joinedPipes
from aerostack.workers import channel as module
from aerostack.workers.channel import Channel, ChannelLost, Overrun
from aerostack.workers.frames import Codec, FrameError
from tests.workers.ends import EndsTestCase, Notebook, until
from tests.workers.samples import KINDS, Note, Values


class MessageTests(EndsTestCase):
    """
    Tests for messages.
    """

    async def test_order(self) -> None:
        """
        Messages of any size come in the order in which they were sent.
        """
        first, _, second, notes = self.connect()
        second.start()
        sent = [Note(str(n), b"x" * (n * n * 7 % 90_000)) for n in range(300)]
        for message in sent:
            first.send(message)
        await until(lambda: len(notes.messages) == len(sent))
        self.assertEqual(notes.messages, sent)
        self.assertEqual(first.unread, 0)

    async def test_gathered(self) -> None:
        """
        What one turn has for the peer goes with one system call.
        """
        first, _, second, notes = self.connect()
        second.start()
        written: list[int] = []
        write = first._pipe.write
        self.patch(first._pipe, "write", lambda data: (written.append(len(data)), write(data)))
        for n in range(100):
            first.send(Note(str(n)))
        self.assertGreater(first.unread, 0)
        await until(lambda: len(notes.messages) == 100)
        self.assertEqual(len(written), 1)

    async def test_broken(self) -> None:
        """
        A message that cannot be handled is logged, and those behind it are handled.
        """
        first, _, second, notes = self.connect()

        def handle(message: Note) -> None:
            if message.text == "bad":
                raise RuntimeError("no")
            notes.messages.append(message.text)

        notes.handle = handle
        second.start()
        for text in ("a", "bad", "b"):
            first.send(Note(text))
        await until(lambda: len(notes.messages) == 2)
        self.assertEqual(notes.messages, ["a", "b"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    async def test_garbage(self) -> None:
        """
        A frame that cannot be read ends the channel, with the reason.
        """
        first, _, second, notes = self.connect()
        second.start()
        first.sendFrame(b"\0\0\0\1\xff")
        await until(lambda: notes.reasons)
        self.assertTrue(notes.reasons[0].check(FrameError))

    async def test_end(self) -> None:
        """
        When one end is closed, the other handles what was sent before, and then learns of it.
        """
        first, own, second, notes = self.connect()
        for n in range(2000):
            first.send(Note(str(n)))
        await until(lambda: first.unread == 0)
        first.close()
        second.start()
        await until(lambda: notes.reasons)
        self.assertEqual(len(notes.messages), 2000)
        self.assertEqual(len(own.reasons), 1)
        # Nothing can be sent any more, and that is no error.
        first.send(Note("late"))
        second.send(Note("late"))
        self.assertEqual((first.unread, second.unread), (0, 0))

    async def test_deafPeer(self) -> None:
        """
        What is sent to a peer that has closed its end is dropped, and what the peer had sent is
        handled.
        """
        first, _, second, notes = self.connect()
        first.send(Note("last words"))
        await until(lambda: first.unread == 0)
        first.close()
        second.send(Note("", b"x" * 100_000))
        await until(lambda: second.unread == 0)
        self.assertEqual(notes.reasons, [])
        second.start()
        await until(lambda: notes.reasons)
        self.assertEqual(notes.messages, [Note("last words")])

    async def test_deathWithBacklog(self) -> None:
        """
        When the peer ends while bytes wait for it, they are let go.
        """
        first, own, second, _ = self.connect()
        first.start()
        for _ in range(30):
            first.send(Note("", b"x" * 65536))
        self.assertGreater(first.unread, 0)
        second.close()
        await until(lambda: own.reasons)
        self.assertEqual(first.unread, 0)


class FloodTests(EndsTestCase):
    """
    Tests for peers that send very much, or read nothing.
    """

    async def test_budget(self) -> None:
        """
        The messages of one turn are bounded in time, and the rest follows in later turns.
        """
        passed = 0.0

        def handle(message: Note) -> None:
            nonlocal passed
            passed += 0.003
            handled[-1] += 1

        handled = [0]
        first, _, second, notes = self.connect(seconds=lambda: passed)
        notes.handle = handle
        for _ in range(1000):
            first.send(Note("x"))
        await until(lambda: first.unread == 0)
        clock: Any = reactor

        def nextTurn() -> None:
            handled.append(0)
            if sum(handled) < 1000:
                clock.callLater(0, nextTurn)

        nextTurn()
        second.start()
        await until(lambda: sum(handled) == 1000)
        # A turn in which the socket is read as well may have the budget twice.
        self.assertLessEqual(max(handled), 8)

    async def test_drained(self) -> None:
        """
        A producer waits while the peer has not read, and goes on when it has.
        """
        first, _, second, _ = self.connect()
        self.assertIsNone(first.whenDrained())
        for _ in range(30):
            first.send(Note("", b"x" * 65536))
        waiting = first.whenDrained()
        assert waiting is not None
        self.assertNoResult(waiting)
        second.start()
        await waiting
        self.assertLessEqual(first.unread, module.MAX_WAITING)

    async def test_drainedByEnd(self) -> None:
        """
        A producer does not wait for a channel that has ended.
        """
        first, _, _, _ = self.connect()
        for _ in range(30):
            first.send(Note("", b"x" * 65536))
        waiting = first.whenDrained()
        assert waiting is not None
        first.close()
        await waiting
        self.assertIsNone(first.whenDrained())

    async def test_overrun(self) -> None:
        """
        A peer that leaves too much unread loses the channel, and what waited is let go.
        """
        self.patch(module, "MAX_UNREAD", 1_000_000)
        first, own, _, _ = self.connect()
        for _ in range(30):
            first.send(Note("", b"x" * 65536))
        await until(lambda: own.reasons)
        self.assertTrue(own.reasons[0].check(Overrun))
        self.assertEqual(first.unread, 0)


class QuestionTests(EndsTestCase):
    """
    Tests for questions and answers.
    """

    async def test_answers(self) -> None:
        """
        Each question gets its own answer, in whichever order the answers come.
        """
        first, _, second, notes = self.connect()
        first.start()
        second.start()
        waiting: list[tuple[Note, Deferred[Any]]] = []

        def answer(question: Note) -> Any:
            if question.text == "now":
                return question
            waiting.append((question, Deferred()))
            return waiting[-1][1]

        notes.answer = answer
        late = first.ask(Note("late"), 60)
        later = first.ask(Note("later"), 60)
        self.assertEqual(await first.ask(Note("now"), 60), Note("now"))
        for question, answered in reversed(waiting):
            answered.callback(Values([question.text]))
        self.assertEqual(await late, Values(["late"]))
        self.assertEqual(await later, Values(["later"]))

    async def test_refused(self) -> None:
        """
        An error for clients comes to the asker as it is; any other one is logged where it was
        raised.
        """
        first, _, second, notes = self.connect()
        first.start()
        second.start()

        def answer(question: Note) -> Any:
            if question.text == "a":
                raise RealtimeError("overloaded", "Try again.", 50)
            raise RuntimeError("no")

        notes.answer = answer
        error = await self.assertFailure(first.ask(Note("a"), 60), RealtimeError)
        self.assertEqual(
            (error.code, error.message, error.retryAfter), ("overloaded", "Try again.", 50)
        )
        error = await self.assertFailure(first.ask(Note("b"), 60), RealtimeError)
        self.assertEqual(error.code, "internal_error")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    async def test_lost(self) -> None:
        """
        Questions without an answer fail when the channel ends, and so do later ones.
        """
        first, _, second, notes = self.connect()
        first.start()
        second.start()
        notes.answer = lambda question: Deferred()
        asked = first.ask(Note("a"), 60)
        second.close()
        await self.assertFailure(asked, ChannelLost)
        await self.assertFailure(first.ask(Note("b"), 60), ChannelLost)

    async def test_many(self) -> None:
        """
        Questions beyond the bound are refused at once.
        """
        self.patch(module, "MAX_QUESTIONS", 3)
        first, _, second, notes = self.connect()
        first.start()
        second.start()
        slow: list[Deferred[Any]] = []
        notes.answer = lambda question: slow.append(Deferred()) or slow[-1]
        asked = [first.ask(Note(str(n)), 60) for n in range(4)]
        error = await self.assertFailure(asked[3], RealtimeError)
        self.assertEqual(error.code, "overloaded")
        for each in slow:
            each.callback(Note("done"))
        self.assertEqual([await each for each in asked[:3]], [Note("done")] * 3)

    def test_timeout(self) -> None:
        """
        A question fails after its time, and a later answer is ignored.
        """
        clock = Clock()
        notes = Notebook(), Notebook()
        asker, answerer = (
            Channel(clock, pipe, Codec(KINDS), notebook)
            for pipe, notebook in zip(joinedPipes(clock), notes, strict=True)
        )
        asker.start()
        answerer.start()
        late: Deferred[Any] = Deferred()
        later: Deferred[Any] = Deferred()
        notes[1].answer = lambda question: late if question.text == "a" else later
        patient = asker.ask(Note("p"), None)
        asked = asker.ask(Note("a"), 5)
        clock.pump([0.1] * 49)
        self.assertNoResult(asked)
        clock.advance(0.2)
        error = self.failureResultOf(asked, TimeoutError).value
        # The log has the words.
        self.assertEqual(str(error), "there was no answer for 5 s")
        self.assertNoResult(patient)
        late.callback(Note("late"))
        later.callback(Note("later"))
        answerer.send(Note("after it"))
        clock.pump([0] * 4)
        self.assertEqual(notes[0].messages, [Note("after it")])
        self.assertEqual(self.successResultOf(patient), Note("later"))


class MemoryTests(SynchronousTestCase):
    """
    Tests for channels over L{joinedPipes}, as tests of other modules use them.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.notes = Notebook(), Notebook()
        self.first, self.second = (
            Channel(self.clock, pipe, Codec(KINDS), notes)
            for pipe, notes in zip(joinedPipes(self.clock), self.notes, strict=True)
        )

    def test_messages(self) -> None:
        """
        Messages come in order, when the other end reads.
        """
        sent = [Note(str(n), b"x" * 9000) for n in range(20)]
        for message in sent:
            self.first.send(message)
        self.clock.pump([0] * 9)
        self.assertGreater(self.first.unread, 180_000)
        self.second.start()
        self.clock.pump([0] * 9)
        self.assertEqual((self.notes[1].messages, self.first.unread), (sent, 0))

    def test_end(self) -> None:
        """
        When one end closes, both learn of it, and questions fail.
        """
        self.first.start()
        self.second.start()
        self.notes[1].answer = lambda question: Deferred()
        asked = self.first.ask(Note("a"), 60)
        self.clock.pump([0] * 4)
        self.second.close()
        self.clock.pump([0] * 4)
        self.failureResultOf(asked, ChannelLost)
        self.assertEqual([len(notes.reasons) for notes in self.notes], [1, 1])
