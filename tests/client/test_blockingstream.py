"""
Tests for L{aerostack.client.blockingstream}.
"""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client import blockingstream
from aerostack.client.blockingstream import BlockingAI, BlockingStream
from aerostack.client.draft import StreamEnded
from aerostack.client.errors import ClientError
from aerostack.client.streams import Begin
from tests.client.folding import ENDED, REFUSED_END, TOO_LARGE, Folding

PATIENCE = 20
"""Seconds for a thread to do something."""


class Slow(Folding):
    """
    A daemon that tells when a call came and when text was folded, and answers when it may.
    """

    def __init__(self) -> None:
        super().__init__()
        self.came, self.may, self.folded = Event(), Event(), Event()
        self.may.set()

    def start(self, begin: Begin, producer: str) -> Any:
        # No sign of life comes between the calls of a test, however slow its thread is.
        return {**super().start(begin, producer), "lease": 600_000}

    def append(self, *args: Any) -> Any:
        answer = super().append(*args)
        self.folded.set()
        return answer

    def _refuse(self) -> None:
        self.came.set()
        self.may.wait(PATIENCE)
        super()._refuse()


class Interrupted(Slow):
    """
    A daemon that begins a stream while a signal interrupts the program, and tells when an end came.
    """

    def start(self, begin: Begin, producer: str) -> Any:
        super().start(begin, producer)
        raise KeyboardInterrupt

    def end(self, *args: Any) -> Any:
        self.ended = args
        answer = super().end(*args)
        self.folded.set()
        return answer


class Silent(Folding):
    """
    A daemon that wants a sign of life every few milliseconds, and tells when it has got one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard = Event()

    def start(self, begin: Begin, producer: str) -> Any:
        return {**super().start(begin, producer), "lease": 30}

    def beat(self, stream: str, epoch: int) -> Any:
        answer = super().beat(stream, epoch)
        self.heard.set()
        return answer


class BlockingStreamTests(SynchronousTestCase):
    """
    Tests for L{BlockingStream}.
    """

    def setUp(self) -> None:
        self.daemon = Slow()
        calls: Any = self.daemon
        self.ai = BlockingAI(calls)

    def waitFor(self, stream: BlockingStream) -> None:
        """
        Wait until the stream's thread has ended.
        """
        stream._thread.join(PATIENCE)
        self.assertFalse(stream._thread.is_alive())

    def test_with(self) -> None:
        """
        Everything is with the daemon when the block is left, and the stream has ended.
        """
        tokens = [f"{n} 😀" for n in range(500)]
        with self.ai.stream("ai-chat/7", owner="ann") as stream:
            for token in tokens:
                stream.write(token)
            stream.reason("Hm")
            stream.tool("c", "weather", output="rain")
            stream.data("d", "sources", [])
        self.assertEqual(self.daemon.text, "".join(tokens))
        options = self.daemon.said[0][2]
        self.assertRegex(options.pop("stream"), r"^\w{10,}$")
        self.assertEqual(options, {"producer": "me", "owner": "ann"})
        self.assertEqual([each["part"] for each in self.daemon.said[1:4]], ["reasoning", "c", "d"])
        self.assertEqual(self.daemon.said[-1], ("end", {"state": "done"}))
        self.assertLess(self.daemon.appends, 100)
        self.waitFor(stream)

    def test_unsendable(self) -> None:
        """
        What cannot be sent is refused where it is written, and the stream goes on.
        """
        with self.ai.stream("ai-chat/7") as stream:
            stream.write("be")
            self.assertRaises(ValueError, stream.data, "d", "n", float("nan"))
            self.assertRaises(TypeError, stream.tool, "c", "n", input=object())
            self.assertRaises(TypeError, stream.write, None)
            stream.write("hind")
        self.assertEqual(self.daemon.text, "behind")
        self.assertEqual(self.daemon.said[-1], ("end", {"state": "done"}))

    def test_unsendableEnd(self) -> None:
        """
        An end that cannot be sent ends nothing: the block that it leaves ends the stream as failed.
        """
        for usage, error in (({"tokens": float("nan")}, ValueError), ({"of": object()}, TypeError)):
            with self.assertRaises(error), self.ai.stream("ai-chat/7") as stream:
                stream.end(usage)
            failed = {"state": "failed", "error": error.__name__}
            self.assertEqual(self.daemon.said[-1], ("end", failed))
        reasons: tuple[Any, ...] = (KeyError("a"), "\ud83d")
        with self.ai.stream("ai-chat/7") as stream:
            for reason in reasons:
                self.assertRaises((TypeError, ValueError), stream.fail, reason)
        self.assertEqual(self.daemon.said[-1], ("end", {"state": "done"}))

    def test_first(self) -> None:
        """
        The first text goes out without waiting for the next.
        """
        with self.ai.stream("ai-chat/7") as stream:
            stream.write("a")
            self.assertTrue(self.daemon.came.wait(PATIENCE))
        self.assertEqual(self.daemon.text, "a")

    def test_interrupted(self) -> None:
        """
        A stream whose start is interrupted ends, if it has an id of its own.
        """
        daemon: Any = Interrupted()
        self.assertRaises(KeyboardInterrupt, BlockingAI(daemon).stream, "ai-chat/7", stream="mine")
        self.assertRaises(KeyboardInterrupt, BlockingAI(daemon).stream, "ai-chat/7")
        self.assertTrue(daemon.folded.wait(PATIENCE))
        (_, (_, _, begun), (end, said)) = daemon.said
        self.assertEqual((end, said["state"]), ("end", "failed"))
        self.assertEqual(daemon.ended[:2], (begun["stream"], 1))

    def test_interruptedBeforeStart(self) -> None:
        """
        A stream whose start the daemon deals with after the first attempt to end it ends, too.
        """
        self.patch(blockingstream, "_PAUSES", (0.0, 0.0))
        daemon: Any = Interrupted()
        daemon.refusals.append(ClientError("stream_unknown", "No such stream runs."))
        self.assertRaises(KeyboardInterrupt, BlockingAI(daemon).stream, "ai-chat/7")
        self.assertTrue(daemon.folded.wait(PATIENCE))
        self.assertEqual(daemon.said[-1][1]["state"], "failed")

    def test_interruptedAfterStart(self) -> None:
        """
        A stream that the application does not get ends, although its thread has begun.
        """
        thread: Any = Thread
        begun = []

        def begin(**named: Any) -> Any:
            made = thread(**named)
            if "name" in named:
                begun.append(made)
                made.start = interrupt
            return made

        def interrupt() -> None:
            thread.start(begun[0])
            raise KeyboardInterrupt

        self.patch(blockingstream, "Thread", begin)
        daemon: Any = Interrupted()
        daemon.start = lambda *args: {**Folding.start(daemon, *args), "lease": 30}
        self.assertRaises(KeyboardInterrupt, BlockingAI(daemon).stream, "ai-chat/7", stream="mine")
        self.assertTrue(daemon.folded.wait(PATIENCE))
        self.assertEqual((daemon.ended[:2], daemon.said[-1][1]["state"]), (("s", 1), "failed"))
        # As the daemon does once the stream has ended.
        daemon.refusals.append(ENDED)
        begun[0].join(PATIENCE)
        self.assertFalse(begun[0].is_alive())

    def test_failed(self) -> None:
        """
        An exception that leaves the block ends the stream as failed, and goes on.
        """
        with self.assertRaises(KeyError), self.ai.stream("ai-chat/7") as stream:
            stream.write("a")
            raise KeyError("a secret")
        self.assertEqual(self.daemon.text, "a")
        self.assertEqual(self.daemon.said[-1], ("end", {"state": "failed", "error": "KeyError"}))

    def test_cancelled(self) -> None:
        """
        When a user has cancelled it, the next write says so, and leaving the block does nothing.
        """
        self.daemon.refusals.append(ENDED)
        with self.assertRaises(StreamEnded) as caught, self.ai.stream("ai-chat/7") as stream:
            stream.write("a")
            self.waitFor(stream)
            stream.write("b")
        self.assertEqual((caught.exception.state, caught.exception.by), ("cancelled", "ann"))
        self.assertNotIn("end", [each[0] for each in self.daemon.said])

    def test_unreachable(self) -> None:
        """
        A daemon that stays away fails the end, where nothing was written since.
        """
        self.daemon.refusals.append(ClientError("unreachable", "Nobody is there."))
        stream = self.ai.stream("ai-chat/7")
        stream.write("a")
        self.waitFor(stream)
        error = self.assertRaises(ClientError, stream.end)
        self.assertEqual(error.code, "unreachable")

    def test_refused(self) -> None:
        """
        A part that the daemon refuses ends the stream as failed at once, and the block raises why.
        """
        for refusals in ([TOO_LARGE], [TOO_LARGE, ClientError("unreachable", "It is away.")]):
            self.daemon.said.clear()
            self.daemon.refusals += refusals
            with self.assertRaises(ClientError) as caught, self.ai.stream("ai-chat/7") as stream:
                stream.data("d", "rows", [])
                self.waitFor(stream)
            self.assertIs(caught.exception, TOO_LARGE)
            self.assertEqual(self.daemon.said[1:], [REFUSED_END][len(refusals) - 1 :])

    def test_silent(self) -> None:
        """
        A stream whose producer is silent while the daemon is away goes on afterwards.
        """
        daemon = Silent()
        daemon.refusals.append(ClientError("unreachable", "Nobody is there."))
        calls: Any = daemon
        with BlockingAI(calls).stream("ai-chat/7") as stream:
            self.assertTrue(daemon.heard.wait(PATIENCE))
            stream.write("a")
        self.assertEqual(daemon.text, "a")
        self.assertEqual(daemon.said[-1], ("end", {"state": "done"}))

    def test_forgotten(self) -> None:
        """
        A daemon that has lost the newest text in a restart gets it again.
        """
        with self.ai.stream("ai-chat/7") as stream:
            stream.write("Hello ")
            self.assertTrue(self.daemon.folded.wait(PATIENCE))
            self.daemon.text = "Hel"
            stream.write("world")
        self.assertEqual(self.daemon.text, "Hello world")

    def test_endAgain(self) -> None:
        """
        A daemon that has lost text in a restart, after it had taken all, gets it before the end.
        """
        with self.ai.stream("ai-chat/7") as stream:
            stream.write("Hello world")
            self.assertTrue(self.daemon.folded.wait(PATIENCE))
            self.daemon.text = "Hel"
        self.assertEqual(self.daemon.text, "Hello world")
        self.waitFor(stream)

    def test_endLost(self) -> None:
        """
        A daemon that is restarted at the moment when the end comes, and has lost text, gets it
        again.
        """
        stream = self.ai.stream("ai-chat/7")
        stream.write("Hello ")
        stream.write("w" * 100_000)
        self.daemon.left = 3
        self.assertEqual(stream.end()["state"], "done")
        self.assertEqual(self.daemon.text, "Hello " + "w" * 100_000)

    def test_endStrange(self) -> None:
        """
        A daemon that lacks nothing and says so all the same is not asked for ever.
        """
        stream = self.ai.stream("ai-chat/7")
        stream.write("a")
        self.assertTrue(self.daemon.folded.wait(PATIENCE))
        gap = ClientError("stream_gap", "Go back.", None, {"length": {"0": 1}})
        self.daemon.refusals.append(gap)
        self.assertIs(self.assertRaises(ClientError, stream.end), gap)

    def test_full(self) -> None:
        """
        A writer waits while the daemon does not take what was written.
        """
        self.daemon.may.clear()
        stream = self.ai.stream("ai-chat/7")
        stream.write("a")
        self.assertTrue(self.daemon.came.wait(PATIENCE))
        stream.write("b" * 1_000_000)
        self.daemon.may.set()
        stream.write("c" * 1_000_000)
        stream.end()
        self.assertEqual(len(self.daemon.text), 2_000_001)

    def test_over(self) -> None:
        """
        Nothing can be written after the end.
        """
        stream = self.ai.stream("ai-chat/7")
        self.assertEqual(stream.end({"tokens": 1})["kept"], True)
        self.assertRaises(StreamEnded, stream.write, "a")
        self.assertRaises(StreamEnded, stream.end)
