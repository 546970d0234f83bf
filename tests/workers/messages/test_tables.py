"""
Tests for L{aerostack.workers.messages.tables}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.journal import Holder, Lag
from aerostack.core.rows.views import OPERATIONS
from aerostack.workers.frames import Codec
from aerostack.workers.messages import reads, tables
from aerostack.workers.messages.tables import (
    MAX_CHANGE,
    Altered,
    Changes,
    FeedState,
    columnsForm,
    decodeChanges,
    encodeChanges,
)
from tests.workers.messages.test_values import rows, same

changes = st.builds(
    Change,
    st.integers(1, 2**62),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.sampled_from(sorted(OPERATIONS)),
    rows,
    st.none() | rows,
    st.integers(0, 2**50),
    st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3).map(tuple),
)


def exact(change: Change) -> Any:
    """
    Give a change a form in which it equals only the very same.
    """
    return same({name: _list(each) for name, each in vars(change).items()})


def _list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class MessagesTests(SynchronousTestCase):
    """
    Tests for the messages.
    """

    def setUp(self) -> None:
        self.codec = Codec((*tables.KINDS, *reads.KINDS))

    def carried(self, message: Struct) -> Any:
        """
        Encode a message and decode it.
        """
        return self.codec.decodeBody(self.codec.encodeBody(message))

    @given(st.lists(changes, min_size=1, max_size=5))
    def test_changes(self, some: list[Change]) -> None:
        """
        Changes come as they were.
        """
        found = [
            change
            for encoded in encodeChanges(some)
            for change in decodeChanges(self.carried(Changes(Raw(encoded))).changes)
        ]
        self.assertEqual(list(map(exact, found)), list(map(exact, some)))

    def test_largest(self) -> None:
        """
        A change as large as it may be with workers fits a frame, also of the values that take the
        most room.
        """
        for value, size in ((0.5, 4), ("x", 4), (1.5e300, 8)):
            data = {"a": [value] * (MAX_CHANGE // size)}
            (encoded,) = encodeChanges([Change(1, "t", "INSERT", data, None, 1)])
            self.codec.encode(Changes(Raw(encoded)))

    def test_columns(self) -> None:
        """
        Columns come with all types, in order.
        """
        columns = {type.name: type for type in reversed(ColumnType)}
        altered = self.carried(Altered("t", columnsForm(columns), 5))
        self.assertEqual(list(altered.columns.items()), list(columns.items()))

    def test_state(self) -> None:
        """
        What holds the feed up comes as it is.
        """
        for waiting in (None, Lag(1.5, None), Lag(2.0, Holder(3.0, "app", "role", "KILL 1", True))):
            state = FeedState(7, 0.25, waiting, "slow")
            self.assertEqual(self.carried(state), state)

    def test_tags(self) -> None:
        """
        The tags are those that are free for tables.
        """
        for kind in (*tables.KINDS, *reads.KINDS):
            self.assertIn(kind.__struct_config__.tag, range(32, 64))
