"""
Values of rows and of conditions, as msgpack.

Msgpack has most of the values that rows have in their JSON form.  It has no place for JSON that is
not decoded, for decimal numbers, for large integers, and for a database's NaN: these have codes of
their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Raw, msgpack

from aerostack.core.rows.changes import Row
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.comparison import READERS

PIECE = 65_536
"""How many bytes of encoded values go with one message, about."""

# How many bytes stand before the values of a list, at the most.
_HEADER = 5

# The codes of msgpack's extensions.
_JSON, _DECIMAL, _INTEGER, _NAN = 1, 2, 3, 4

_NOT_A_NUMBER: Any = READERS[ColumnType.NUMBER]("NaN")

# Values of these types may have to be packed, or have values in them.
_DEEP = frozenset((Raw, dict, list))

_encode = msgpack.Encoder().encode


def pack(value: Any) -> Any:
    """
    Give a value the form in which msgpack takes it.

    @param value: A value in its JSON form, which may have L{Raw} JSON in it; or a value of a
        L{Condition<aerostack.core.rows.conditions.Condition>}.
    """
    if isinstance(value, Raw):
        return msgpack.Ext(_JSON, bytes(value))
    if isinstance(value, dict):
        return {name: pack(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(each) for each in value]
    if isinstance(value, Decimal):
        return msgpack.Ext(_DECIMAL, str(value).encode())
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return msgpack.Ext(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True))
    return msgpack.Ext(_NAN, b"") if value is _NOT_A_NUMBER else value


def packRow(row: Row) -> Row:
    """
    Do the same for a row.  Most rows have plain values alone.
    """
    if _DEEP.isdisjoint(map(type, row.values())):
        return row
    return {name: pack(value) for name, value in row.items()}


def unpack(code: int, data: memoryview) -> Any:
    """
    Give the value of an extension, for the decoder.
    """
    encoded = bytes(data)
    if code == _JSON:
        return Raw(encoded)
    if code == _DECIMAL:
        return Decimal(encoded.decode())
    if code == _INTEGER:
        return int.from_bytes(encoded, signed=True)
    if code == _NAN:
        return _NOT_A_NUMBER
    raise ValueError(f"there is no extension {code}")


def unpackHashable(value: Any) -> Hashable:
    """
    Give a decoded value of a condition the form that the condition has: with tuples for lists.
    """
    if isinstance(value, list):
        return tuple(map(unpackHashable, value))
    hashable: Hashable = value
    return hashable


def encodeList(values: Iterable[Any]) -> Iterator[bytes]:
    """
    Encode values as lists of about L{PIECE} bytes, one list at least.
    """
    encoded: list[Raw] = []
    size = 0
    for value in values:
        each = _encode(value)
        if encoded and size + len(each) > PIECE - _HEADER:
            yield _encode(encoded)
            encoded, size = [], 0
        encoded.append(Raw(each))
        size += len(each)
    yield _encode(encoded)


def decoderOf(type: Any) -> msgpack.Decoder[Any]:
    """
    A decoder for packed values.
    """
    return msgpack.Decoder(type, ext_hook=unpack)


_anything = decoderOf(Any)


def encodeValues(value: Any) -> bytes:
    """
    Encode one value, or a list of values, of conditions or of a statement's parameters.
    """
    return _encode(pack(value))


def decodeValues(encoded: bytes | Raw) -> Any:
    """
    Decode what L{encodeValues} has encoded.
    """
    return _anything.decode(encoded)


decodeRows = decoderOf(list[dict[str, Any]]).decode
"""Decodes a list of rows."""


def packRows(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """
    Encode rows as L{encodeList} does.
    """
    return encodeList(map(packRow, rows))
