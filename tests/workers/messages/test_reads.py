"""
Tests for L{aerostack.workers.messages.reads}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.publications import CHAT_MESSAGE, EVENT, Kept, Message, StreamMark
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.conditions import EQ, IN, IS_NULL, LIKE, makeCondition
from aerostack.core.rows.selection import Selection
from aerostack.workers.messages.reads import (
    decodeKept,
    decodeSelection,
    encodeKept,
    encodeSelection,
)

END = StreamMark("a1", state="done")

COLUMNS = {type.name: type for type in ColumnType}

_NUMBERS = [0, -1, 2**70, 0.1, 1e300, "1.10", "Infinity", "-Infinity", "NaN", True]

conditions = st.one_of(
    st.builds(
        lambda values: makeCondition(COLUMNS, "NUMBER", IN, values),
        st.lists(st.sampled_from(_NUMBERS)),
    ),
    st.builds(
        lambda value: makeCondition(COLUMNS, "TIME", EQ, value),
        st.sampled_from(["2026-11-24T22:49:36Z", "infinity", "12:30", "0044-03-15 BC"]),
    ),
    st.builds(
        lambda value: makeCondition(COLUMNS, "ANY", EQ, value), st.sampled_from([1, 0.5, "x", True])
    ),
    st.builds(
        lambda value: makeCondition(COLUMNS, "JSON", EQ, value), st.sampled_from([1, "x", False])
    ),
    st.builds(lambda value: makeCondition(COLUMNS, "BOOLEAN", EQ, value), st.booleans()),
    st.builds(lambda value: makeCondition(COLUMNS, "COMPOUND", IS_NULL, value), st.booleans()),
    st.builds(
        lambda value: makeCondition(COLUMNS, "TEXT", LIKE, value), st.sampled_from(["a%", "\\%_"])
    ),
)

selections = st.builds(
    Selection,
    st.lists(conditions, max_size=4).map(tuple),
    st.lists(st.tuples(st.sampled_from(list(COLUMNS)), st.booleans()), max_size=3).map(tuple),
    st.none() | st.integers(1, 2**31 - 1),
)


class SelectionTests(SynchronousTestCase):
    """
    Tests for selections.
    """

    @given(selections)
    def test_same(self, selection: Selection) -> None:
        """
        The hub gets a selection that is equal to the worker's, so that equal ones share one read.
        """
        found = decodeSelection(encodeSelection(selection))
        self.assertEqual(found, selection)
        self.assertEqual(hash(found), hash(selection))
        self.assertEqual(repr(found), repr(selection))

    def test_matches(self) -> None:
        """
        Its conditions match what they matched.
        """
        condition = makeCondition(COLUMNS, "NUMBER", IN, ["0.10", 2])
        found = decodeSelection(encodeSelection(Selection((condition,))))
        for value, matches in ((0.1, True), ("2", True), (3, False), (None, False)):
            self.assertEqual(found.match({"NUMBER": value}), matches)


class KeptTests(SynchronousTestCase):
    """
    Tests for kept messages.
    """

    def test_same(self) -> None:
        """
        Messages come byte for byte.
        """
        some = [
            Kept(Message(str(n), "room/p", CHAT_MESSAGE, "e", data, user, n, publish), n + 1)
            for n, (data, user, publish) in enumerate(
                [(b"5", None, None), ('"é\\u0000"'.encode(), "ann", "id"), (b"1" * 262_144, "", "")]
            )
        ]
        end = Message("e", "room/p", EVENT, "ai:done", b"{}", None, 9, None, END)
        some.append(Kept(end, 9))
        found = [kept for encoded in encodeKept(some) for kept in decodeKept(encoded)]
        self.assertEqual(found, some)
