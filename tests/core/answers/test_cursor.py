"""
Tests for L{aerostack.core.answers.cursor}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import CANCELLED, Answer, End, Terms
from aerostack.core.answers.cursor import Cursor, growthOf, placeOf
from aerostack.core.answers.growth import Grown, Growth, Valued
from aerostack.core.answers.units import units

KINDS = {"0": "text", "1": "text", "r0": "reasoning", "c1": "tool", "s1": "data"}


def makeAnswer() -> Answer:
    """
    An answer without any part.
    """
    return Answer("a1", "m1", "ai-chat/7/p", Terms(), 0)


def show(answer: Answer, name: str, text: str) -> None:
    """
    Let a part grow by a text that has its place in the topic's log.
    """
    part = answer.append(name, KINDS[name], text)
    part.takeFresh()
    part.published = part.shown = part.length


def texts(growths: list[Growth]) -> dict[str, str]:
    """
    The text of each part.
    """
    found: dict[str, str] = {}
    for growth in growths:
        if isinstance(growth, Grown):
            found[growth.part] = found.get(growth.part, "") + growth.text
    return found


class CursorTests(SynchronousTestCase):
    """
    Tests for L{Cursor}.
    """

    def setUp(self) -> None:
        self.answer = makeAnswer()

    def test_shown(self) -> None:
        """
        A watcher gets what has its place in the log, and no more.
        """
        cursor = Cursor(self.answer)
        self.assertTrue(cursor.isAtEnd)
        show(self.answer, "0", "Hel")
        self.answer.append("0", "text", "lo")
        self.assertFalse(cursor.isAtEnd)
        self.assertEqual(cursor.take(100), [Grown("0", "text", "Hel")])
        self.assertEqual((cursor.take(100), cursor.isAtEnd, cursor.place), ([], True, "3"))

    def test_values(self) -> None:
        """
        A value comes behind the text of its part, and once.
        """
        show(self.answer, "c1", "{}")
        self.answer.put("c1", "tool", b'{"call":"c1","input":{}}')
        self.answer.put("s1", "data", b'{"id":"s1","name":"n","value":1}')
        cursor = Cursor(self.answer)
        self.assertEqual(
            cursor.take(100),
            [
                Grown("c1", "tool", "{}"),
                Valued("c1", "tool", {"call": "c1", "input": {}}),
                Valued("s1", "data", {"id": "s1", "name": "n", "value": 1}),
            ],
        )
        self.assertTrue(cursor.isAtEnd)
        self.answer.put("s1", "data", b'{"id":"s1","value":2}')
        self.assertEqual(cursor.take(100), [Valued("s1", "data", {"id": "s1", "value": 2})])

    def test_cancelled(self) -> None:
        """
        After a cancel nothing more is given, also nothing that was said before.
        """
        show(self.answer, "0", "Hello")
        cursor = Cursor(self.answer)
        self.answer.end = End(CANCELLED)
        self.assertEqual((cursor.take(100), cursor.isAtEnd), ([], True))

    def test_places(self) -> None:
        """
        A place that is not one of this answer counts as nothing.
        """
        show(self.answer, "0", "a😀b")
        for place in ("x", "1.", "-1", "2", "9", "1.0", "1" * 10_000, "1.1.1", "٣"):
            self.assertEqual(texts(Cursor(self.answer, place).take(100)), {"0": "a😀b"}, place)
        for place, rest in (("1", "😀b"), ("3", "b"), ("0", "a😀b")):
            self.assertEqual(texts(Cursor(self.answer, place).take(100)), {"0": rest})
        self.assertTrue(Cursor(self.answer, "4").isAtEnd)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["0", "0", "1", "r0", "back", "take", "return", "cut"]),
                st.text(st.sampled_from("aé😀"), max_size=5),
                st.integers(1, 6),
            ),
            max_size=25,
        )
    )
    def test_model(self, steps: list[tuple[str, str, int]]) -> None:
        """
        However the answer grows, and however often the watcher goes and comes back with its place,
        it gets each text once; or it is told to begin again, because text was taken back.  It may
        also go behind any text of those that it takes together.
        """
        answer, expected, found = makeAnswer(), dict[str, str](), dict[str, str]()
        cursor = Cursor(answer)
        restarts = edition = 0

        def take(most: int, count: int | None = None) -> str:
            nonlocal restarts
            place = cursor.place
            growths = cursor.take(most)[:count]
            if cursor.restarts != restarts:
                restarts = cursor.restarts
                found.clear()
            for name, new in texts(growths).items():
                found[name] = found.get(name, "") + new
            last = growths[-1] if growths else None
            return last.place if isinstance(last, Grown) else place

        for what, text, most in steps:
            if what in ("return", "cut"):
                place = take(1000, most) if what == "cut" else cursor.place
                restarts, cursor = 0, Cursor(answer, place)
                if not cursor.place:
                    found.clear()
            elif what == "take":
                take(most)
            elif what == "back" and "0" in expected:
                edition += 1
                kept = expected["0"][:most]
                answer.takeBack("0", units(kept), edition)
                expected["0"] = kept + text
                show(answer, "0", text)
                answer.parts["0"].isReset = False
            elif text and what != "back":
                show(answer, what, text)
                expected[what] = expected.get(what, "") + text
        while not cursor.isAtEnd:
            take(3)
        self.assertEqual(found, {name: text for name, text in expected.items() if text})


class GrowthTests(SynchronousTestCase):
    """
    Tests for L{growthOf}.
    """

    def test_parts(self) -> None:
        """
        The parts of a stream, as it is read, become texts and values.
        """
        parts = json.loads(
            '[{"part":"0","kind":"text","text":"Hi"},'
            '{"part":"c1","kind":"tool","args":"{}","call":"c1","name":"f"},'
            '{"part":"s1","kind":"data","id":"s1","name":"n","value":1},'
            '{"part":"r0","kind":"reasoning"}]'
        )
        self.assertEqual(
            growthOf(parts)[0],
            [
                Grown("0", "text", "Hi"),
                Grown("c1", "tool", "{}"),
                Valued("c1", "tool", {"call": "c1", "name": "f"}),
                Valued("s1", "data", {"id": "s1", "name": "n", "value": 1}),
            ],
        )

    def test_place(self) -> None:
        """
        One who has a part of it gets the rest; a place that is none of this answer counts as
        nothing.
        """
        parts: list[Mapping[str, Any]] = [
            {"part": "0", "kind": "text", "text": "a😀b"},
            {"part": "1", "kind": "text", "text": "cd"},
        ]
        for place, rest in (
            ("3", {"0": "b", "1": "cd"}),
            ("4.1", {"1": "d"}),
            ("4.2", {}),
            ("2", {"0": "a😀b", "1": "cd"}),
            ("9", {"0": "a😀b", "1": "cd"}),
            ("x", {"0": "a😀b", "1": "cd"}),
        ):
            growths, isPlace = growthOf(parts, place)
            self.assertEqual(texts(growths), rest, place)
            self.assertEqual(isPlace, place[0] in "34", place)
        self.assertEqual(placeOf(parts), "4.2")
