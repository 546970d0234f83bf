"""
Tests for L{aerostack.examples.ai}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.examples.ai import PAUSE, TEXT, Assistant
from aerostack.examples.localsdk import InsideSDK
from aerostack.testing import World


class AssistantTests(SynchronousTestCase):
    """
    Tests for L{Assistant}.
    """

    def setUp(self) -> None:
        self.world = World()
        self.sdk: Any = InsideSDK(self.world.clock, self.world.rpc, "p")
        self.assistant = Assistant(self.world.clock, None)
        client = self.world.realtime(userId="ann")
        client.startService()
        self.channel: Any = client.channel("ai/a")
        self.channel.subscribe()
        self.world.turn()

    def ask(self, stream: Any = "a", question: Any = "why?") -> Any:
        """
        Ask something.
        """
        given = {"stream": stream, "question": question}
        asked = Deferred.fromCoroutine(self.assistant.ask(self.sdk, given))
        answer = self.successResultOf(asked)
        self.world.turn()
        return answer

    def refused(self, stream: Any = "a", question: Any = "why?") -> str:
        """
        Ask something that is refused.

        @return: The code.
        """
        given = {"stream": stream, "question": question}
        asked = Deferred.fromCoroutine(self.assistant.ask(self.sdk, given))
        code: str = self.failureResultOf(asked, RealtimeError).value.code
        return code

    def go(self, seconds: float) -> None:
        """
        Let time pass.
        """
        for _ in range(round(seconds / PAUSE)):
            self.world.advance(PAUSE)

    def shown(self) -> tuple[str, str]:
        """
        The text and the state of the newest answer, as a page has them.
        """
        return self.channel.answers.newest.text, self.channel.answers.newest.state

    def test_whole(self) -> None:
        """
        All who watch get the whole answer, which then has ended.
        """
        self.ask()
        self.go(1)
        text, state = self.shown()
        self.assertTrue(text.startswith("You asked: “why?”"))
        self.assertEqual(state, "streaming")
        self.go(20)
        self.assertEqual(self.shown(), (TEXT.format(question="why?"), "done"))

    def test_oneAtATime(self) -> None:
        """
        A question waits for the end of the answer before it on its topic, and for no other.
        """
        self.ask()
        self.assertEqual(self.refused(), "overloaded")
        self.ask("b")
        self.go(20)
        self.ask()

    def test_cancelled(self) -> None:
        """
        A user who watches stops the answer, and the next question is answered.
        """
        self.ask()
        self.go(1)
        self.channel.answers.newest.cancel()
        self.go(1)
        self.assertEqual(self.shown()[1], "cancelled")
        self.ask()
        self.go(20)
        self.assertEqual(self.shown()[1], "done")

    def test_bounded(self) -> None:
        """
        The number of answers that are being written is bounded.
        """
        for n in range(Assistant.most):
            self.ask(f"s{n}")
        self.assertEqual(self.refused("one-more"), "overloaded")
        self.go(20)
        self.ask("one-more")

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
        When the daemon stops, the answers end.
        """
        self.ask()
        self.go(1)
        self.assistant.stop()
        self.go(1)
        self.assertEqual(self.shown()[1], "failed")
        self.ask()

    def test_fails(self) -> None:
        """
        An answer that cannot be sent is logged, and the next question is answered.
        """
        start = self.sdk.ai.start
        self.patch(self.sdk.ai, "start", lambda *args, **options: fail(RuntimeError("no")))
        self.ask()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.patch(self.sdk.ai, "start", start)
        self.ask()

    def test_model(self) -> None:
        """
        Where a model is configured, the daemon asks it.
        """
        asked: list[Any] = []

        def relay(*args: Any, **options: Any) -> Deferred[Any]:
            asked.append((args, options))
            return succeed({"stream": "s"})

        self.patch(self.sdk.ai, "relay", relay)
        self.assistant = Assistant(self.world.clock, "default")
        self.assertEqual(self.ask(), {"stream": "s"})
        messages = {"messages": [{"role": "user", "content": "why?"}]}
        options = {"model": "default", "cancel": "publishers"}
        self.assertEqual(asked, [(("ai/a", messages), options)])
