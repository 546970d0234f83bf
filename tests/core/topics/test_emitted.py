"""
Tests for L{aerostack.core.topics.emitted}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.publications import EmittedMark
from aerostack.core.topics.emitted import EmitRules, EmittedEvent, checkEmitted
from aerostack.errors import RealtimeError

ONE = EmitRules(("p",), 40, 20, 10)
SEVERAL = EmitRules(("p", "q"), 40, 20, 10)


class CheckTests(SynchronousTestCase):
    """
    Which events can be published.
    """

    def check(
        self,
        topic: str,
        rules: EmitRules = ONE,
        event: str = "e",
        data: str = "1",
        persist: bool = False,
    ) -> str:
        emitted = EmittedEvent(EmittedMark(1, "k"), topic, event, data, persist)
        return checkEmitted(emitted, rules).canonical

    def refusal(self, *given: Any, **more: Any) -> tuple[str, str]:
        """
        The code and the sentence of the error.
        """
        error = self.assertRaises(RealtimeError, self.check, *given, **more)
        return error.code, error.message

    def test_topics(self) -> None:
        """
        A topic is read as clients write it, in a project that is alone.
        """
        self.assertEqual(self.check("chat/a"), "chat/a/p")
        self.assertEqual(self.check("chat/a/p", persist=True), "chat/a/p")
        self.assertEqual(self.check("orders"), "table/orders/p")

    def test_severalProjects(self) -> None:
        """
        Where there are several projects, a topic ends in its own.
        """
        self.assertEqual(self.check("chat/a/q", SEVERAL), "chat/a/q")
        self.assertEqual(self.check("table/orders/p", SEVERAL), "table/orders/p")
        for topic in ("chat/a", "orders", "q", "/q", "chat/a/r"):
            code, message = self.refusal(topic, SEVERAL)
            self.assertEqual(code, "invalid_topic")
            self.assertIn("/p or /q", message)
        many = EmitRules(tuple("abcde"), 40, 20, 10)
        self.assertIn("/a or /b or /c or another", self.refusal("chat/a/x", many)[1])

    def test_refused(self) -> None:
        """
        An event is refused by the same rules as others, and so is one of the daemon's own.
        """
        self.assertEqual(self.refusal("a//b")[0], "invalid_topic")
        self.assertEqual(self.refusal("chat/a", event="presence:join")[0], "invalid_event")
        self.assertEqual(self.refusal("chat/a", event="ai:token")[0], "invalid_event")
        self.assertEqual(self.refusal("chat/a", event="x" * 21)[0], "invalid_event")
        self.assertEqual(self.refusal("orders", persist=True)[0], "invalid_arguments")
        self.assertEqual(self.refusal("chat/a", data='"ééééé"')[0], "too_large")
        self.check("chat/a", data='"éééé"')
