"""
Rows as the triggers on a PostgreSQL table copied them, and as they are told.

A row is kept as the JSON text of C{to_json}, whose keys are the columns that the table had
when it was written, in their order.  It is told in the table's present shape.  So what each
shape of the table's columns was stays known; a key belongs to the column that had this
name when the row was written.
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
"""What is to be done with the values of a type: one of the words below, or how to read the
text as which they are written, as L{formOf} takes it."""

PLAIN = ""
JSON = "json"
BYTES = "bytes"
FLOAT = "float"
HIDDEN = "hidden"

_LONG = re.compile(r"\d{16}")
"""What a JSON text has in it that has an integer in it which a double would not keep."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],:]|[^\s"{}\[\],:]++')


@dataclass(frozen=True)
class Field:
    """
    A column, as far as telling its values needs to know.

    @ivar number: What tells it from every other column that the table has or had.
    @ivar type: Its type, as SQL writes it.
    @ivar form: L{JSON}, L{BYTES}, L{FLOAT} or how to read a text, if its values need a form
        of their own; L{HIDDEN} if they are not told.
    @ivar fallback: The JSON text of its value in rows that were written before it was
        there, L{None} for NULL.
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

    @ivar since: The newest change when that was noticed.
    """

    since: int
    fields: tuple[Field, ...]


def fieldOf(column: Column, known: Iterable[Field] = ()) -> Field:
    """
    Give what is kept of a column.

    @param known: What was kept of the table's columns before.  A table that is written anew
        as a whole forgets what its older rows have in a column that was added.
    """
    form = HIDDEN if column.isVirtual else _formOf(column)
    fallback = column.fallback
    if fallback is None:
        same = (field for field in known if field.number == column.number)
        fallback = next((field.fallback for field in same if field.type == column.type), None)
    return Field(column.number, column.name, column.type, form, fallback)


def fieldsOf(columns: Iterable[Column], known: Sequence[Field] = ()) -> tuple[Field, ...]:
    """
    Give what is kept of a table's columns.
    """
    return tuple(fieldOf(column, known) for column in columns)


def _formOf(column: Column) -> Form:
    """
    Tell what is to be done with a value, or with each of an array's.
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
    Tell whether values may have changed that no trigger saw, because a column's type did.
    """
    before = {field.number: field.type for field in old}
    for field in new:
        kind = before.get(field.number, field.type)
        if kind != field.type and not (_isText(kind) and _isText(field.type)):
            return True
    return False


def _isText(kind: str) -> bool:
    return kind == "text" or kind.startswith("character varying")


class Untellable(Exception):
    """
    A row cannot be read.
    """


class Rows:
    """
    Tells the rows of one table.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        """
        @param shapes: All shapes of the table, the present one last.
        """
        self._shapes = shapes
        self._present = [field for field in shapes[-1].fields if field.form != HIDDEN]
        self._isApart = any(f.form == JSON for shape in shapes for f in shape.fields)
        self._ways: dict[tuple[int, tuple[str, ...]], _Way] = {}
        self._isSurprised = False

    def isSurprised(self) -> bool:
        """
        Tell, once, whether there was a row that fits none of the table's shapes.
        """
        isSurprised, self._isSurprised = self._isSurprised, False
        return isSurprised

    def tell(self, text: str, seq: int) -> dict[str, Any]:
        """
        Give a row in the table's present shape.

        @param seq: The number of the change that it is from.
        @raise Untellable: It cannot be read, as one that was written while a column had a
            type that was not seen yet.
        """
        try:
            return self._tell(text, seq)
        except Exception as error:
            # Others write the values, and may write any.
            self._isSurprised = True
            raise Untellable(str(error)) from error

    def _tell(self, text: str, seq: int) -> dict[str, Any]:
        try:
            row: dict[str, Any] = (_apart if self._isApart else _whole)(text)
        except (msgspec.DecodeError, RecursionError):
            # JSON that PostgreSQL takes and others don't, such as half a character.
            row = {name: _readable(value) for name, value in _split(text)}
            long = True
        else:
            long = _LONG.search(text) is not None
        expected = len(self._shapes) - 1
        while expected and self._shapes[expected].since >= seq:
            expected -= 1
        key = expected, tuple(row)
        way = self._ways.get(key)
        if way is None:
            way = self._ways[key] = self._find(*key)
        return way.go(row, long)

    def _find(self, expected: int, names: tuple[str, ...]) -> _Way:
        """
        Find out what the keys of a row are.

        Between two looks at the table it may have had another shape than the one that was
        known last.  Partitions may have their columns in another order, inheritors more.
        """
        nearest = [*range(expected, -1, -1), *range(expected + 1, len(self._shapes))]
        for fits in (_isSame, _isWithin, lambda *_: True):
            for i in nearest:
                fields = self._shapes[i].fields
                if fits(fields, names):
                    self._isSurprised = self._isSurprised or fits is not _isSame
                    return _Way(self._present, fields, names, self._isApart)
        raise AssertionError("the last one fits whatever there is")


def _isSame(fields: Sequence[Field], names: Sequence[str]) -> bool:
    return tuple(field.name for field in fields) == names


def _isWithin(fields: Sequence[Field], names: Sequence[str]) -> bool:
    return {field.name for field in fields}.issubset(names)


class _Way:
    """
    The way from a row's keys to the table's present columns.
    """

    def __init__(
        self,
        present: Sequence[Field],
        then: Sequence[Field],
        names: Sequence[str],
        isApart: bool,
    ) -> None:
        """
        @param present: The columns that are told.
        @param then: The columns when the row was written.
        @param isApart: The values come as their JSON texts.
        """
        keys = {field.number: field for field in then if field.name in names}
        self._steps: list[tuple[str, str | None, Callable[[Any], Any] | None, Any]] = []
        for field in present:
            known = keys.get(field.number)
            if known is None:
                self._steps.append((field.name, None, None, _fallback(field)))
            else:
                self._steps.append((field.name, known.name, _teller(known.form), None))
        self._isSame = (
            not isApart
            and tuple(names) == tuple(field.name for field in present)
            and all(name == key and form is None for name, key, form, _ in self._steps)
        )

    def go(self, row: dict[str, Any], long: bool) -> dict[str, Any]:
        """
        @param long: The row may have integers in it that a double does not keep, or values
            that could not be read.
        """
        if self._isSame and not long:
            return row
        told = {}
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
            told[name] = value
        return told


_whole = msgspec.json.Decoder(float_hook=fractionToJSON).decode
_apart = msgspec.json.Decoder(dict[str, Raw]).decode


def _read(raw: Raw) -> Any:
    """
    Give what a JSON text says; the text itself if others could not read it, as a number of
    thousands of digits.
    """
    try:
        return _whole(raw)
    except (msgspec.DecodeError, RecursionError):
        return bytes(raw).decode()


def _readable(text: str) -> Raw:
    """
    Give a value's JSON text, as a string in JSON if others could not read it.
    """
    try:
        _whole(text)
    except (msgspec.DecodeError, RecursionError):
        text = msgspec.json.encode(text).decode()
    return Raw(text.encode())


def _exact(value: Any) -> Any:
    """
    Have integers that a double does not keep be strings.
    """
    if type(value) is int:
        return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else str(value)
    if type(value) is list:
        return [_exact(item) for item in value]
    if type(value) is dict:
        return {name: _exact(item) for name, item in value.items()}
    return value


def _json(value: Any) -> Any:
    # What is told is the document as it is, not what we make of its numbers.
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
    Give a double's value; PostgreSQL wrote as many digits as it takes to tell it.
    """
    if isinstance(value, list):
        return [_float(item) for item in value]
    return float(value) if isinstance(value, str) and value[-1].isdigit() else value


def _teller(form: Form) -> Callable[[Any], Any] | None:
    """
    Give what makes of a value what is told of it; L{None} if that is the value.
    """
    if isinstance(form, list):
        read = formOf(form)
        return lambda value: value if value is None else read(value)
    return {JSON: _json, BYTES: _bytes, FLOAT: _float}.get(form)


def _fallback(field: Field) -> Any:
    if field.fallback is None:
        return None
    form = _teller(field.form)
    text = _readable(field.fallback)
    if form is _json:
        return _json(text)
    value = _exact(_whole(text))
    return value if form is None else form(value)


def _split(text: str) -> Iterator[tuple[str, str]]:
    """
    Split a row into its columns and their JSON texts, without reading these.
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
