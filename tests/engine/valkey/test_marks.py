"""
Tests for L{aerostack.engine.valkey.marks}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.valkey.marks import Marks
from aerostack.engine.valkey.topics import GROUP
from aerostack.errors import RealtimeError


class SlowHistory:
    """
    A history that answers when the test lets it.
    """

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.answers: list[Deferred[dict[str, int]]] = []

    def newest(self, topics: Sequence[str]) -> Deferred[dict[str, int]]:
        self.asked.append(topics)
        self.answers.append(Deferred())
        return self.answers[-1]

    def answer(self) -> None:
        """
        Answer the newest question.
        """
        self.answers[-1].callback(dict.fromkeys(self.asked[-1], 7))


class MarksTests(SynchronousTestCase):
    """
    Tests for L{Marks}.
    """

    def setUp(self) -> None:
        self.history = SlowHistory()
        self.found: dict[str, int] = {}
        self.failed: list[str] = []
        self.marks = Marks(cast(Any, self.history), self.take, self.fail_)

    def take(self, marks: Mapping[str, int]) -> None:
        """
        Take marks that were found.
        """
        self.found.update(marks)

    def fail_(self, topics: Sequence[str], error: RealtimeError) -> None:
        """
        Take topics whose marks cannot be read.
        """
        self.failed += topics

    def test_together(self) -> None:
        """
        The topics that come while a question is open are in the next one.
        """
        self.marks.ask(["a", "b"])
        for name in "cde":
            self.marks.ask([name])
        self.marks.ask([])
        self.assertEqual(self.history.asked, [["a", "b"]])
        self.history.answer()
        self.assertEqual(self.history.asked[1:], [["c", "d", "e"]])
        self.history.answer()
        self.assertEqual(self.found, dict.fromkeys("abcde", 7))
        self.marks.ask(["f"])
        self.assertEqual(self.history.asked[2:], [["f"]])

    def test_bound(self) -> None:
        """
        One question is for a bounded number of topics.
        """
        names = [f"{number}" for number in range(2 * GROUP + 1)]
        self.marks.ask(names)
        for _ in range(3):
            self.history.answer()
        self.assertEqual([len(topics) for topics in self.history.asked], [GROUP, GROUP, 1])
        self.assertEqual(set(self.found), set(names))

    def test_forgotten(self) -> None:
        """
        A topic that is detached meanwhile is not asked for.
        """
        self.marks.ask(["a"])
        self.marks.ask(["b", "c"])
        self.marks.forget("b")
        self.marks.forget("nothing")
        self.history.answer()
        self.assertEqual(self.history.asked[1:], [["c"]])

    def test_failed(self) -> None:
        """
        If the history does not answer, the topics of that question fail, and the next are read.
        """
        self.marks.ask(["a"])
        self.marks.ask(["b"])
        self.history.answers[0].errback(RealtimeError("database_unavailable", "It is away."))
        self.assertEqual(self.failed, ["a"])
        self.history.answer()
        self.assertEqual(self.found, {"b": 7})

    def test_mistake(self) -> None:
        """
        After a mistake of ours, the next topics are read.
        """
        self.marks.ask(["a"])
        self.history.answers[0].errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.marks.ask(["b"])
        self.history.answer()
        self.assertEqual(self.found, {"b": 7})
