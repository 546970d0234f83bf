"""
Decodes rows as the triggers on a PostgreSQL table copied them.

A row is kept as the JSON text of C{to_json}, whose keys are the columns that the table had when
the row was written, in their order.  Clients get it in the table's present shape.  So the daemon
remembers each shape of the table's columns; a key belongs to the column that had this name when
the row was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from aerostack.databases.postgres.catalog import Column
from aerostack.databases.postgres.values import documentForm, formOf
from aerostack.protocol.values import MAX_SAFE_INTEGER, fractionToJSON, toJSON

Form = str | list[Any]
"""How to convert the values of a type: one of the words below, or how to read their text form,
for L{formOf}."""

PLAIN = ""
JSON = "json"
BYTES = "bytes"
FLOAT = "float"
HIDDEN = "hidden"

_LONG = re.compile(r"\d{16}")
"""Finds an integer in a JSON text that a double cannot represent."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],:]|[^\s"{}\[\],:]++')


@dataclass(frozen=True)
class Field:
    """
    A column, as far as decoding its values needs it.

    @ivar number: Identifies it among all columns that the table has or had.
    @ivar type: Its type, as SQL writes it.
    @ivar form: L{JSON}, L{BYTES}, L{FLOAT} or how to read a text, if its values need a form of
        their own; L{HIDDEN} if clients do not get them.
    @ivar fallback: The JSON text of its value in rows that are older than it; L{None} for NULL.
    """

    number: int
    name: str
    type: str
    form: Form
    fallback: str | None


@dataclass(frozen=True)
class Shape:
    """
    The columns that a table had.

    @ivar since: The newest change when the daemon noticed them.
    """

    since: int
    fields: tuple[Field, ...]


def fieldOf(column: Column, known: Iterable[Field] = ()) -> Field:
    """
    Make the field of a column.

    @param known: The table's fields before.  A table that is rewritten as a whole forgets the
        value of an added column in its older rows.
    """
    form = HIDDEN if column.isVirtual else _formOf(column)
    fallback = column.fallback
    if fallback is None:
        same = (field for field in known if field.number == column.number)
        fallback = next((field.fallback for field in same if field.type == column.type), None)
    return Field(column.number, column.name, column.type, form, fallback)


def fieldsOf(columns: Iterable[Column], known: Sequence[Field] = ()) -> tuple[Field, ...]:
    """
    Make the fields of a table's columns.
    """
    return tuple(fieldOf(column, known) for column in columns)


def _formOf(column: Column) -> Form:
    """
    Choose how to convert a value, or each element of an array.
    """
    if column.text is not None:
        return list(column.text)
    kind = column.element if column.category == "A" else column.base
    if kind in ("json", "jsonb"):
        return JSON
    if kind == "bytea":
        return BYTES
    return FLOAT if kind in ("float4", "float8") else PLAIN


def isRewritten(old: Sequence[Field], new: Sequence[Field]) -> bool:
    """
    Whether values may have changed without a trigger, because a column's type did.
    """
    before = {field.number: field.type for field in old}
    for field in new:
        kind = before.get(field.number, field.type)
        if kind != field.type and not (_isText(kind) and _isText(field.type)):
            return True
    return False


def _isText(kind: str) -> bool:
    return kind == "text" or kind.startswith("character varying")


class Undecodable(Exception):
    """
    A row cannot be decoded.
    """


class RowDecoder:
    """
    Decodes the rows of one table.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        """
        @param shapes: All shapes of the table, the present one last.
        """
        self._shapes = shapes
        self._present = [field for field in shapes[-1].fields if field.form != HIDDEN]
        self._isApart = any(f.form == JSON for shape in shapes for f in shape.fields)
        self._mappings: dict[tuple[int, tuple[str, ...]], _Mapping] = {}
        self._isSurprised = False

    def isSurprised(self) -> bool:
        """
        Whether a row fitted none of the table's shapes.  Only the first call after that says so.
        """
        isSurprised, self._isSurprised = self._isSurprised, False
        return isSurprised

    def decode(self, text: str, seq: int) -> dict[str, Any]:
        """
        Convert a row to the table's present shape.

        @param seq: The number of the change that it is from.
        @raise Undecodable: It cannot be decoded, for example because it was written while a
            column had a type that the daemon has not seen yet.
        """
        try:
            return self._decode(text, seq)
        except Exception as error:
            # Other programs write the values, and may write any.
            self._isSurprised = True
            raise Undecodable(str(error)) from error

    def _decode(self, text: str, seq: int) -> dict[str, Any]:
        try:
            row: dict[str, Any] = (_apart if self._isApart else _whole)(text)
        except (msgspec.DecodeError, RecursionError):
            # JSON that PostgreSQL accepts and other parsers do not, such as half a character.
            row = {name: _readable(value) for name, value in _split(text)}
            long = True
        else:
            long = _LONG.search(text) is not None
        expected = len(self._shapes) - 1
        while expected and self._shapes[expected].since >= seq:
            expected -= 1
        key = expected, tuple(row)
        way = self._mappings.get(key)
        if way is None:
            way = self._mappings[key] = self._find(*key)
        return way.go(row, long)

    def _find(self, expected: int, names: tuple[str, ...]) -> _Mapping:
        """
        Find the columns of a row's keys.

        Between two checks the table may have had another shape than the last known one.
        Partitions may have their columns in another order, and inheritors may have more.
        """
        nearest = [*range(expected, -1, -1), *range(expected + 1, len(self._shapes))]
        for fits in (_isSame, _isWithin, lambda *_: True):
            for i in nearest:
                fields = self._shapes[i].fields
                if fits(fields, names):
                    self._isSurprised = self._isSurprised or fits is not _isSame
                    return _Mapping(self._present, fields, names, self._isApart)
        raise AssertionError("the last one fits whatever there is")


def _isSame(fields: Sequence[Field], names: Sequence[str]) -> bool:
    return tuple(field.name for field in fields) == names


def _isWithin(fields: Sequence[Field], names: Sequence[str]) -> bool:
    return {field.name for field in fields}.issubset(names)


class _Mapping:
    """
    Maps a row's keys to the table's present columns.
    """

    def __init__(
        self,
        present: Sequence[Field],
        then: Sequence[Field],
        names: Sequence[str],
        isApart: bool,
    ) -> None:
        """
        @param present: The columns that clients get.
        @param then: The columns when the row was written.
        @param isApart: Whether the values come as their JSON texts.
        """
        keys = {field.number: field for field in then if field.name in names}
        self._steps: list[tuple[str, str | None, Callable[[Any], Any] | None, Any]] = []
        for field in present:
            known = keys.get(field.number)
            if known is None:
                self._steps.append((field.name, None, None, _fallback(field)))
            else:
                self._steps.append((field.name, known.name, _decoderOf(known.form), None))
        self._isSame = (
            not isApart
            and tuple(names) == tuple(field.name for field in present)
            and all(name == key and form is None for name, key, form, _ in self._steps)
        )

    def go(self, row: dict[str, Any], long: bool) -> dict[str, Any]:
        """
        @param long: Whether the row may have integers that a double cannot represent, or values
            that could not be read.
        """
        if self._isSame and not long:
            return row
        decoded = {}
        for name, key, form, value in self._steps:
            if key is not None:
                value = row[key]
                if form is not _json:
                    if type(value) is Raw:
                        value = _read(value)
                    if long:
                        value = _exact(value)
                if form is not None:
                    value = form(value)
            decoded[name] = value
        return decoded


_whole = msgspec.json.Decoder(float_hook=fractionToJSON).decode
_apart = msgspec.json.Decoder(dict[str, Raw]).decode


def _read(raw: Raw) -> Any:
    """
    Read a JSON text; give the text itself if other parsers could not read it, like a number of
    thousands of digits.
    """
    try:
        return _whole(raw)
    except (msgspec.DecodeError, RecursionError):
        return bytes(raw).decode()


def _readable(text: str) -> Raw:
    """
    Give a value's JSON text, as a JSON string if other parsers could not read it.
    """
    try:
        _whole(text)
    except (msgspec.DecodeError, RecursionError):
        text = msgspec.json.encode(text).decode()
    return Raw(text.encode())


def _exact(value: Any) -> Any:
    """
    Convert integers that a double cannot represent to strings.
    """
    if type(value) is int:
        return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else str(value)
    if type(value) is list:
        return [_exact(item) for item in value]
    if type(value) is dict:
        return {name: _exact(item) for name, item in value.items()}
    return value


def _json(value: Any) -> Any:
    # Clients get the document as it is, not with our reading of its numbers.
    text = bytes(value).decode()
    return None if text == "null" else documentForm(text)


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    if value is None:
        return None
    if not value.startswith("\\x"):
        raise ValueError("not bytes as the triggers write them")
    return toJSON(bytes.fromhex(value[2:]))


def _float(value: Any) -> Any:
    """
    Convert to a double.  PostgreSQL wrote enough digits to identify it.
    """
    if isinstance(value, list):
        return [_float(item) for item in value]
    return float(value) if isinstance(value, str) and value[-1].isdigit() else value


def _decoderOf(form: Form) -> Callable[[Any], Any] | None:
    """
    Give the conversion of a form's values; L{None} if they need none.
    """
    if isinstance(form, list):
        read = formOf(form)
        return lambda value: value if value is None else read(value)
    return {JSON: _json, BYTES: _bytes, FLOAT: _float}.get(form)


def _fallback(field: Field) -> Any:
    if field.fallback is None:
        return None
    form = _decoderOf(field.form)
    text = _readable(field.fallback)
    if form is _json:
        return _json(text)
    value = _exact(_whole(text))
    return value if form is None else form(value)


def _split(text: str) -> Iterator[tuple[str, str]]:
    """
    Split a row into its columns and their JSON texts, without reading the texts.
    """
    depth = 0
    key = start = None
    for token in _TOKEN.finditer(text):
        kind = token.group()
        if depth == 1 and kind in (",", "}"):
            if key is not None:
                yield key, text[start : token.start()]
            key = start = None
        elif depth == 1 and key is None:
            key = _whole(kind)
        elif depth == 1 and start is None:
            start = token.end()
        depth += (kind in ("{", "[")) - (kind in ("}", "]"))
