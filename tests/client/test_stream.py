"""
Tests for L{aerostack.client.stream}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.draft import StreamEnded
from aerostack.client.errors import ClientError
from aerostack.client.stream import AI, Stream
from tests.client.folding import ENDED, REFUSED_END, TOO_LARGE, Folding


class Delayed:
    """
    A daemon whose answers a test lets come.

    @ivar waiting: Lets the next answer come.
    """

    def __init__(self, folding: Folding) -> None:
        self._folding = folding
        self.waiting: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Deferred[Any]:
            answered: Deferred[Any] = Deferred()

            def answer() -> None:
                maybeDeferred(getattr(self._folding, name), *args).chainDeferred(answered)

            self.waiting.append(answer)
            return answered

        return call

    def turn(self) -> None:
        """
        Let all answers come.
        """
        while self.waiting:
            self.waiting.pop(0)()


class StreamTests(SynchronousTestCase):
    """
    Tests for L{Stream}.
    """

    def setUp(self) -> None:
        self.clock, self.daemon = Clock(), Folding()
        self.calls: Any = Delayed(self.daemon)
        started = AI(self.clock, self.calls).start("ai-chat/7", owner="ann", lease=3)
        self.calls.turn()
        self.stream: Stream = self.successResultOf(started)

    def test_start(self) -> None:
        """
        The daemon is told what was said of the stream, and which publisher asks.
        """
        ((start, topic, options),) = self.daemon.said
        self.assertRegex(options.pop("stream"), r"^\w{10,}$")
        self.assertEqual((start, topic), ("start", "ai-chat/7"))
        self.assertEqual(options, {"producer": "me", "owner": "ann", "lease": 3000})
        self.assertEqual((self.stream.id, self.stream.epoch), ("s", 1))

    def test_startGivenUp(self) -> None:
        """
        A stream whose start the application has cancelled ends when it has begun.
        """
        ai = AI(self.clock, self.calls)
        starting = ai.start("ai-chat/7", stream="b")
        starting.cancel()
        self.failureResultOf(starting, CancelledError)
        self.calls.turn()
        said = {"state": "failed", "error": "The program gave the stream up before it began."}
        self.assertEqual(self.daemon.said[-1], ("end", said))
        # It says no more that it is there.
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_startRefused(self) -> None:
        """
        A start that is refused, and one that is refused after the application has cancelled it,
        leave nothing behind.
        """

        def refuse(*_: object) -> None:
            raise ENDED

        self.patch(self.daemon, "start", refuse)
        for isCancelled, kind in ((False, ClientError), (True, CancelledError)):
            begun = len(self.daemon.said)
            starting = AI(self.clock, self.calls).start("ai-chat/7")
            if isCancelled:
                starting.cancel()
            self.calls.turn()
            self.failureResultOf(starting, kind)
            self.assertEqual(len(self.daemon.said), begun)

    def test_gathers(self) -> None:
        """
        One request is under way at a time, and a write is done when the daemon has its text.
        """
        writes = [self.stream.write(text) for text in ("Hel", "lo", " 😀")]
        self.assertEqual(len(self.calls.waiting), 1)
        self.calls.waiting.pop(0)()
        self.assertNoResult(writes[0])
        self.assertEqual(self.daemon.text, "Hel")
        self.calls.turn()
        for each in writes:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual((self.daemon.text, self.daemon.appends), ("Hello 😀", 2))

    def test_parts(self) -> None:
        """
        Reasoning, tools and data are parts of their own.
        """
        for _ in (
            self.stream.reason("Hm"),
            self.stream.tool("c", "weather", input={"city": 1}),
            self.stream.data("d", "sources", [1]),
        ):
            self.calls.turn()
        self.assertEqual(
            self.daemon.said[1:],
            [
                {"part": "reasoning", "kind": "reasoning", "at": 0, "text": "Hm"},
                {"part": "c", "kind": "tool", "value": {"name": "weather", "input": {"city": 1}}},
                {"part": "d", "kind": "data", "value": {"name": "sources", "value": [1]}},
            ],
        )

    def test_end(self) -> None:
        """
        The end goes out behind all text, and nothing goes out after it.
        """
        self.stream.write("Hello")
        ended = self.stream.end(usage={"tokens": 1})
        self.calls.turn()
        self.assertEqual(self.successResultOf(ended)["state"], "done")
        self.assertEqual(self.daemon.text, "Hello")
        self.assertEqual(self.daemon.said[-1], ("end", {"state": "done", "usage": {"tokens": 1}}))
        self.failureResultOf(self.stream.write("more"), StreamEnded)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_endAgain(self) -> None:
        """
        A daemon that has lost text in a restart, after it had taken all, gets it before the end.
        """
        self.stream.write("Hello world")
        self.stream.reason("hm")
        self.calls.turn()
        self.daemon.text = "Hel"
        ended = self.stream.end()
        self.calls.turn()
        self.assertEqual(self.successResultOf(ended)["state"], "done")
        self.assertEqual(self.daemon.text, "Hello world")

    def test_endLost(self) -> None:
        """
        A daemon that is restarted at the moment when the end comes, and has lost text, gets it
        again, and is asked again to end the stream.  Nothing can be written meanwhile.
        """
        self.stream.write("Hello world")
        self.calls.turn()
        self.daemon.left = 3
        ended = self.stream.end()
        self.calls.waiting.pop(0)()
        self.assertEqual(self.daemon.text, "Hel")
        self.failureResultOf(self.stream.write("more"), StreamEnded)
        self.calls.turn()
        self.assertEqual(self.successResultOf(ended)["state"], "done")
        self.assertEqual(self.daemon.text, "Hello world")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_endLostAgain(self) -> None:
        """
        Where the lost text cannot be sent again, the stream can be ended later.
        """
        self.stream.write("Hello world")
        self.calls.turn()
        self.daemon.left = 3
        ended = self.stream.end()
        self.calls.waiting.pop(0)()
        self.daemon.refusals.append(ClientError("unreachable", "Nobody is there."))
        self.calls.turn()
        self.assertEqual(self.failureResultOf(ended, ClientError).value.code, "unreachable")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        ended = self.stream.end()
        self.calls.turn()
        self.assertEqual(self.successResultOf(ended)["state"], "done")
        self.assertEqual(self.daemon.text, "Hello world")

    def test_endStrange(self) -> None:
        """
        A daemon that lacks nothing and says so all the same is not asked for ever.
        """
        self.stream.write("Hello")
        self.calls.turn()
        gap = ClientError("stream_gap", "Go back.", None, {"length": {"0": 5}})
        self.daemon.refusals.append(gap)
        ended = self.stream.end()
        self.calls.turn()
        self.assertIs(self.failureResultOf(ended, ClientError).value, gap)

    def test_endTwice(self) -> None:
        """
        The state of a stream that was ended is known to the second who ends it.
        """
        self.stream.end()
        self.calls.turn()
        error = self.failureResultOf(self.stream.end(), StreamEnded).value
        self.assertEqual(error.state, "done")

    def test_notEnded(self) -> None:
        """
        A stream that could not be ended says no longer that its publisher is there.  It can be
        ended later.
        """
        self.stream.write("Hello")
        self.calls.turn()
        self.daemon.refusals.append(ClientError("unreachable", "Nobody is there."))
        ended = self.stream.end()
        self.calls.turn()
        self.assertEqual(self.failureResultOf(ended, ClientError).value.code, "unreachable")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        ended = self.stream.end()
        self.calls.turn()
        self.assertEqual(self.successResultOf(ended)["state"], "done")

    def test_cancelled(self) -> None:
        """
        When a user has cancelled it, every write fails and says so.
        """
        self.daemon.refusals.append(ENDED)
        writes = [self.stream.write("a"), self.stream.write("b")]
        self.calls.turn()
        for each in (*writes, self.stream.write("c")):
            error = self.failureResultOf(each, StreamEnded).value
            self.assertEqual((error.state, error.by), ("cancelled", "ann"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forgotten(self) -> None:
        """
        A daemon that has lost the newest text in a restart gets it again.
        """
        self.stream.write("Hello ")
        self.calls.turn()
        self.daemon.text = "Hel"
        written = self.stream.write("world")
        self.calls.turn()
        self.assertIsNone(self.successResultOf(written))
        self.assertEqual(self.daemon.text, "Hello world")

    def test_unreachable(self) -> None:
        """
        Text that could not be sent goes out with the next text.
        """
        self.daemon.refusals.append(ClientError("unreachable", "Nobody is there."))
        written = self.stream.write("Hel")
        self.calls.turn()
        self.assertEqual(self.failureResultOf(written, ClientError).value.code, "unreachable")
        again = self.stream.write("lo")
        self.calls.turn()
        self.assertIsNone(self.successResultOf(again))
        self.assertEqual(self.daemon.text, "Hello")

    def test_refused(self) -> None:
        """
        A part that the daemon refuses ends the stream as failed at once, and each call says why.
        """
        self.daemon.refusals.append(TOO_LARGE)
        written = self.stream.write("a")
        self.calls.turn()
        for each in (written, self.stream.write("b"), self.stream.end(), self.stream.write("c")):
            self.assertIs(self.failureResultOf(each, ClientError).value, TOO_LARGE)
        self.assertEqual(self.daemon.said[1:], [REFUSED_END])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refusedEnd(self) -> None:
        """
        Where the daemon does not get the end of such a stream, nothing more is sent.
        """
        self.daemon.refusals += [TOO_LARGE, ClientError("unreachable", "The daemon is away.")]
        written = self.stream.write("a")
        self.calls.turn()
        self.assertIs(self.failureResultOf(written, ClientError).value, TOO_LARGE)
        self.assertEqual(self.calls.waiting, [])

    def test_refusedWith(self) -> None:
        """
        A block that does not wait for its writes raises that a part was refused.
        """

        async def write() -> None:
            async with self.stream as stream:
                stream.write("a").addErrback(lambda _: None)
                self.calls.turn()

        self.daemon.refusals.append(TOO_LARGE)
        left = Deferred.fromCoroutine(write())
        self.assertIs(self.failureResultOf(left, ClientError).value, TOO_LARGE)

    def test_beats(self) -> None:
        """
        A publisher that thinks says that it is there, three times in a lease.
        """
        for _ in range(3):
            self.clock.advance(1)
            self.calls.turn()
        self.assertEqual(self.daemon.said[1:], ["beat"] * 3)
        self.daemon.refusals.append(ClientError("overloaded", "Later."))
        self.daemon.refusals.append(ENDED)
        for _ in range(2):
            self.clock.advance(1)
            self.calls.turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.failureResultOf(self.stream.write("a"), StreamEnded)

    def test_with(self) -> None:
        """
        Leaving the block ends the stream; an exception ends it as failed, without its text.
        """

        async def write(error: Exception | None) -> None:
            async with self.stream as stream:
                stream.write("a")
                if error is not None:
                    raise error

        left = Deferred.fromCoroutine(write(None))
        self.calls.turn()
        self.successResultOf(left)
        self.assertEqual(self.daemon.said[-1], ("end", {"state": "done"}))
        self.setUp()
        left = Deferred.fromCoroutine(write(ValueError("a secret")))
        self.calls.turn()
        self.failureResultOf(left, ValueError)
        self.assertEqual(self.daemon.said[-1], ("end", {"state": "failed", "error": "ValueError"}))
