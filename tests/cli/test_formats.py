"""
Tests for L{aerostack.cli.formats}.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli.formats import (
    formatFrame,
    formatJSON,
    formatMember,
    formatMessage,
    formatRow,
    plain,
)

NOON = 1_700_000_000_000


def frame(type: str, **fields: Any) -> dict[str, Any]:
    """
    A frame of some topic's.
    """
    return {"type": type, "topic": "chat/general/p", "timestamp": NOON + 7, **fields}


class FormatTests(SynchronousTestCase):
    """
    Tests for how things are shown.
    """

    def test_json(self) -> None:
        """
        A program gets a whole value in one line.
        """
        sent = frame("event", event="e", data={"a": "é\n\u2028\x9b", "n": [1, None]})
        line = formatJSON(sent)
        self.assertEqual(json.loads(line), sent)
        self.assertNotIn("\n", line)

    @given(st.recursive(st.none() | st.text(), st.lists, max_leaves=5))
    def test_anyJSON(self, value: Any) -> None:
        """
        Every line for a program can be parsed again, and has no control characters.
        """
        line = formatJSON(value)
        self.assertEqual(json.loads(line), value)
        self.assertFalse([c for c in line if unicodedata.category(c) == "Cc"])

    def assertShown(self, sent: dict[str, Any], expected: str) -> None:
        """
        Assert how a person is shown a frame, behind the time.
        """
        line = formatFrame(sent)
        assert line is not None
        self.assertRegex(line, r"^\d\d:\d\d:\d\d\.007 ")
        self.assertEqual(line[13:], expected)

    def test_changes(self) -> None:
        """
        A change shows the table and the row; an update also shows the old values.
        """
        topic = "table/my/orders/p"
        for sent, expected in (
            ({"operation": "INSERT", "data": {"id": 1}}, 'INSERT my/orders {"id": 1}'),
            (
                {"operation": "DELETE", "data": {"id": 1}, "old": {"id": 1}},
                'DELETE my/orders {"id": 1}',
            ),
            (
                {
                    "operation": "UPDATE",
                    "data": {"id": 1, "a": "é", "b": None, "c": 1},
                    "old": {"id": 1, "a": "x", "b": 2},
                },
                'UPDATE my/orders {id: 1, a: "x" → "é", b: 2 → null, c: 1}',
            ),
        ):
            self.assertShown(frame("db_change", **{**sent, "topic": topic}), expected)

    def test_events(self) -> None:
        """
        An event shows its name, its topic and, if there is one, the user.
        """
        self.assertShown(
            frame("event", event="moved", data={"x": 1}), 'moved chat/general {"x": 1}'
        )
        self.assertShown(
            frame("chat_message", event="message", data={"text": "hi"}, userId="ann"),
            'message chat/general ann: {"text": "hi"}',
        )

    def test_row(self) -> None:
        """
        A row of the snapshot has no time.
        """
        self.assertEqual(formatRow("table/orders/p", {"id": 1}), " " * 13 + 'ROW orders {"id": 1}')

    def test_message(self) -> None:
        """
        A message of the history also shows its day.
        """
        message = {"created_at": NOON + 7, "event": "e", "user_id": None, "data": "hi"}
        self.assertRegex(formatMessage(message), r'^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.007 e "hi"$')
        self.assertIn(' e ann: "hi"', formatMessage({**message, "user_id": "ann"}))

    def test_member(self) -> None:
        """
        A member shows its name, or its connection if it has no name.
        """
        member = {"userId": "ann", "connectionId": "c1", "state": {"a": 1}, "since": NOON + 7}
        self.assertRegex(formatMember(member), r'^ann {"a": 1} since \d\d:\d\d:\d\d\.007$')
        self.assertIn("somebody (c1) ", formatMember({**member, "userId": None}))

    def test_controls(self) -> None:
        """
        Text from others cannot move the cursor, begin a line, or turn the rest of it.
        """
        bad = "\x1b[2J\n\x9b\x7f\u2028\u202e\u2067"
        for line in (
            formatFrame(frame("event", event=bad, data=bad, userId=bad, topic=f"a/{bad}/p")),
            formatFrame(frame("db_change", operation="UPDATE", data={bad: bad}, old={bad: 1})),
            formatRow(bad, bad),
            formatMessage({"created_at": NOON, "event": bad, "user_id": bad, "data": bad}),
            formatMember({"userId": bad, "connectionId": bad, "state": bad, "since": NOON}),
            formatJSON(bad),
            plain(bad),
        ):
            assert line is not None
            kinds = {unicodedata.category(character) for character in line}
            self.assertFalse(kinds & {"Cc", "Zl", "Zp"}, repr(line))
            self.assertNotRegex(line, "[\u202a-\u202e\u2066-\u2069]")

    def test_other(self) -> None:
        """
        Frames without news are not shown.
        """
        for other in ({"type": "pong"}, {"type": "unsubscribed", "topic": "chat/a/p"}):
            self.assertIsNone(formatFrame(other))
