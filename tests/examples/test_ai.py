"""
Tests for L{aerostack.examples.ai}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.examples.ai import PAUSE, Assistant
from aerostack.examples.localsdk import InsideSDK
from aerostack.testing import World


class AssistantTests(SynchronousTestCase):
    """
    Tests for L{Assistant}.
    """

    def setUp(self) -> None:
        self.world = World()
        self.sdk: Any = InsideSDK(self.world.rpc, "p")
        self.assistant = Assistant(self.world.clock)

    def ask(self, stream: Any = "a", question: Any = "why?") -> Any:
        """
        Ask something.
        """
        given = {"stream": stream, "question": question}
        asked = Deferred.fromCoroutine(self.assistant.ask(self.sdk, given))
        return self.successResultOf(asked)

    def refused(self, stream: Any = "a", question: Any = "why?") -> str:
        """
        Ask something that is refused.

        @return: The code.
        """
        given = {"stream": stream, "question": question}
        asked = Deferred.fromCoroutine(self.assistant.ask(self.sdk, given))
        code: str = self.failureResultOf(asked, RealtimeError).value.code
        return code

    def look(self, stream: str = "a") -> Any:
        """
        The last answer.
        """
        looked = Deferred.fromCoroutine(self.assistant.look(self.sdk, {"stream": stream}))
        return self.successResultOf(looked)["answer"]

    def finish(self) -> None:
        """
        Let all answers end.
        """
        while self.world.clock.getDelayedCalls():
            self.world.clock.advance(PAUSE)

    def test_oneAtATime(self) -> None:
        """
        A question waits for the end of the answer before it on its topic, and for no other.
        """
        self.assertIsNone(self.look())
        self.ask()
        self.world.clock.advance(PAUSE)
        self.assertEqual(self.look().tokens, ["You "])
        self.assertEqual(self.refused(), "overloaded")
        self.ask("b")
        self.finish()
        self.assertTrue(self.look().done)
        self.assertTrue("".join(self.look().tokens).startswith("You asked: “why?”\n\nI am no"))
        self.ask()
        self.finish()

    def test_bounded(self) -> None:
        """
        The number of answers is bounded, and the oldest are forgotten first.
        """
        for n in range(Assistant.most):
            self.ask(f"s{n}")
        self.assertEqual(self.refused("one-more"), "overloaded")
        self.finish()
        self.ask("one-more")
        self.assertIsNone(self.look("s0"))
        self.assertIsNotNone(self.look("s1"))
        self.finish()

    def test_invalid(self) -> None:
        """
        An empty question, or one on a foreign topic, is refused.
        """
        for stream, question in (
            ("a", ""),
            ("a", " "),
            ("a", "x" * 201),
            ("a", 7),
            ("a", None),
            ("A", "x"),
            ("a/b", "x"),
            ("", "x"),
            ("a" * 41, "x"),
            (None, "x"),
        ):
            self.assertEqual(self.refused(stream, question), "invalid_arguments")

    def test_stop(self) -> None:
        """
        After the stop no answer goes on.
        """
        self.ask()
        self.world.clock.advance(PAUSE)
        self.assistant.stop()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
        self.assertTrue(self.look().done)

    def test_fails(self) -> None:
        """
        An answer that cannot be sent is logged, and the next question is answered.
        """
        self.patch(self.sdk.socket, "emit", lambda *args: fail(RuntimeError("no")))
        self.ask()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertTrue(self.look().done)
