"""
Tests for L{aerostack.workers.messages.values}.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.comparison import READERS
from aerostack.databases.postgres.values import SCALARS, formOf
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.values import toJSON
from aerostack.workers.messages.values import (
    PIECE,
    decodeRows,
    decodeValues,
    encodeValues,
    packRows,
    unpackHashable,
)

# Texts of PostgreSQL, by the numbers of their types.
_TEXTS: list[tuple[Any, str]] = [
    (16, "t"),
    (17, "\\x00ff"),
    (20, str(2**63 - 1)),
    (114, '{"a": [1.0e2, 123456789012345678901234567890, null], "b": "\\u0000"}'),
    (3802, "-0.0"),
    (701, "NaN"),
    (701, "-Infinity"),
    (1114, "2026-11-24 22:49:36.5"),
    (1184, "0044-03-15 12:00:00+00 BC"),
    (1700, "0.1234567890123456789"),
    (["array", ",", 3802], '{"1.50",NULL,"{\\"x\\": 1}"}'),
    (["array", ",", ["array", ",", 23]], "{{1,2},{3,4}}"),
    (["row", [["a", 3802], ["b", 25]]], '("{""n"": 1.0}",x)'),
]

rowValues = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80).map(toJSON),
    st.floats().map(toJSON),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary().map(toJSON),
    st.sampled_from(_TEXTS).map(lambda each: formOf(each[0])(each[1])),
)
"""Values as SQLite's and PostgreSQL's journals give them."""

rows = st.dictionaries(st.text(max_size=5), rowValues, max_size=6)


def same(value: Any) -> Any:
    """
    Give a value a form in which it equals only what is the very same.
    """
    if isinstance(value, Raw):
        return "raw", bytes(value)
    if isinstance(value, dict):
        return [(name, same(each)) for name, each in value.items()]
    if isinstance(value, list):
        return [same(each) for each in value]
    return type(value), repr(value)


class ValuesTests(SynchronousTestCase):
    """
    Tests for what goes over a channel.
    """

    def test_samples(self) -> None:
        """
        The samples have every type with a form of its own.
        """
        sampled = {type for type, _ in _TEXTS if isinstance(type, int)}
        alike = ({20, 21, 23}, {114, 3802}, {700, 701}, {1114, 1184})
        for number in SCALARS:
            kinds = next((each for each in alike if number in each), {number})
            self.assertTrue(kinds & sampled, number)

    @given(st.lists(rows, max_size=5))
    def test_rows(self, some: list[dict[str, Any]]) -> None:
        """
        Rows come as they were, with their columns in order, and are the same in JSON.
        """
        (encoded,) = packRows(some)
        found = decodeRows(encoded)
        self.assertEqual([same(row) for row in found], [same(row) for row in some])
        self.assertEqual(encodeValue(found), encodeValue(some))

    def test_pieces(self) -> None:
        """
        Many rows become several lists, and a large row has a list of its own.
        """
        some = [{"n": n, "text": "x" * (300_000 if n == 50 else 1000)} for n in range(200)]
        lists = list(packRows(some))
        self.assertEqual([row for each in lists for row in decodeRows(each)], some)
        self.assertEqual(sorted(map(len, lists))[-1] // 1000, 300)
        self.assertLessEqual(sorted(map(len, lists))[-2], PIECE)
        self.assertLess(len(lists), 10)

    def test_none(self) -> None:
        """
        Without rows, one list is empty.
        """
        self.assertEqual([decodeRows(each) for each in packRows([])], [[]])

    @given(
        st.recursive(
            st.one_of(
                st.integers(),
                st.booleans(),
                st.decimals(allow_nan=False),
                st.floats(allow_nan=False),
                st.text(st.characters(exclude_categories=["Cs"])),
                st.just(READERS[ColumnType.NUMBER]("NaN")),
            ),
            lambda some: st.lists(some, max_size=4).map(tuple),
        )
    )
    def test_conditions(self, value: Any) -> None:
        """
        Values that conditions compare with come as they were, and with the same type.
        """
        found: Any = unpackHashable(decodeValues(encodeValues(value)))
        self.assertEqual(found, value)
        self.assertEqual(repr(found), repr(value))

    def test_unknown(self) -> None:
        """
        An extension that has no meaning is an error.
        """
        self.assertRaises(ValueError, decodeValues, b"\xc7\x01\x63\x00")
        self.assertEqual(decodeValues(encodeValues(Decimal("1.50"))), Decimal("1.50"))
