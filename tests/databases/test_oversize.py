"""
Tests for L{aerostack.databases.oversize}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases import oversize
from aerostack.databases.oversize import omissions
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.values import toJSON

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.binary(max_size=60),
)


def size(rows: list[dict[str, Any]], without: frozenset[str] = frozenset()) -> int:
    """
    The size of the values of rows in JSON.
    """
    return sum(
        len(encodeValue(None if name in without else toJSON(value)))
        for row in rows
        for name, value in row.items()
    )


class OmissionsTests(SynchronousTestCase):
    """
    Tests for L{omissions}.
    """

    def omitted(self, *rows: dict[str, Any], limit: int = 100, keys: tuple[str, ...] = ()) -> str:
        """
        The omitted columns, in one string.
        """
        return "".join(sorted(omissions(rows, limit, lambda: keys)))

    def test_small(self) -> None:
        """
        A change within the limit omits nothing, and does not ask for the key.
        """

        def asked() -> tuple[str, ...]:
            raise AssertionError("the key is not needed")

        self.assertEqual(omissions([{"a": "x" * 98, "b": None}], 104, asked), frozenset())
        self.assertEqual(omissions([{"a": 'x"' * 30}], 92, asked), frozenset())

    def test_largest(self) -> None:
        """
        The largest columns are omitted first, and no more of them than necessary.
        """
        row = {"a": 1, "b": "x" * 60, "c": "x" * 90, "d": "x" * 70}
        self.assertEqual(self.omitted(row), "cd")
        self.assertEqual(self.omitted(row, limit=160), "c")
        self.assertEqual(self.omitted(row, limit=20), "bcd")
        self.assertEqual(self.omitted({"a": '"' * 60, "b": "\x01"}), "a")

    def test_bothRows(self) -> None:
        """
        The limit applies to both rows together.
        """
        self.assertEqual(self.omitted({"a": "x" * 40, "b": ""}, {"a": "x" * 60, "b": ""}), "a")
        self.assertEqual(self.omitted({"a": "x" * 40, "b": ""}), "")

    def test_key(self) -> None:
        """
        The key is omitted last.
        """
        row = {"a": "x" * 90, "b": "x" * 30, "c": "x" * 20}
        self.assertEqual(self.omitted(row, keys=("a",)), "bc")
        self.assertEqual(self.omitted(row, keys=("a",), limit=60), "abc")
        self.assertEqual(self.omitted(row, keys=("a", "c"), limit=30), "ab")

    def test_encodedOnce(self) -> None:
        """
        A value that alone is too large is not encoded to find its size; other values are encoded
        once.
        """
        encoded: list[int] = []

        def counting(value: Any) -> bytes:
            encoded.append(len(value))
            return encodeValue(value)

        self.patch(oversize, "encodeValue", counting)
        self.assertEqual(self.omitted({"a": "x" * 1000, "b": b"x" * 1000, "c": '"' * 60}), "abc")
        self.assertEqual(encoded, [60])

    def test_documents(self) -> None:
        """
        Values that are already in their JSON form are measured too.
        """
        self.assertEqual(self.omitted({"a": {"b": ["x" * 99]}, "c": [1] * 10}), "a")

    @given(st.dictionaries(st.sampled_from("abcdefgh"), VALUES), st.integers(1, 400), st.booleans())
    def test_fits(self, row: dict[str, Any], limit: int, twice: bool) -> None:
        """
        The rest fits, unless all is omitted; with one column less omitted it would not fit; and a
        change that fits omits nothing.
        """
        rows = [row, row] if twice else [row]
        keys = sorted(row)[:1]
        omitted = omissions(rows, limit, lambda: keys)
        self.assertTrue(size(rows, omitted) <= limit or omitted == row.keys())
        self.assertEqual(bool(omitted), size(rows) > limit)
        if omitted:
            smallest = min(omitted, key=lambda name: (name not in keys, size([{name: row[name]}])))
            others = omitted - {smallest}
            self.assertGreater(size(rows, others), limit)
