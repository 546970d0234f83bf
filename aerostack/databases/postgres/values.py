"""
The JSON form of PostgreSQL's values, which come as text.

It is the form of L{aerostack.protocol.values}; times are ISO 8601, arrays are lists, rows are
objects, C{json} and C{jsonb} are the documents themselves as far as clients can read them, and
everything else is text as the database writes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Raw

from aerostack.protocol.codec import encodeValue, makeReadable
from aerostack.protocol.values import decimalToJSON, toJSON

Form = Callable[[str], Any]
"""Converts the text of a value to its JSON form."""

_ZONE = re.compile(r"([+-]\d\d)(?= BC$|$)")
# A quoted element, a bracket, a delimiter, or an element without quotes; a quoted element is
# never NULL.
_ELEMENT = r'"((?:[^"\\]|\\.)*+)"|([{{}}])|({delimiter})|([^{{}}"{delimiter}]++)'
# Not ++, with which Python before 3.11.5 repeats a group of several items wrongly.
_BOUNDS = re.compile(r"(?>(?:\[-?\d+:-?\d+\])+)=")
_FIELD = re.compile(r'[(,]("(?:[^"\\]|\\.|"")*+"|[^,()"]*+)')
_ESCAPED = re.compile(r'\\(.)|""', re.DOTALL)


def _boolean(text: str) -> bool:
    return text == "t"


def _integer(text: str) -> Any:
    return toJSON(int(text))


def _float(text: str) -> Any:
    return toJSON(float(text))


def _bytes(text: str) -> Any:
    # The format of bytea_output = hex.
    return toJSON(bytes.fromhex(text[2:]))


def documentForm(text: str) -> Raw:
    """
    The form of C{json} and C{jsonb}: the document itself, but with a string of digits for each
    number beyond a double.  A document that clients cannot read, because of half a character or
    too deep nesting, becomes a string of its text.
    """
    readable = makeReadable(text.encode())
    return Raw(encodeValue(text) if readable is None else readable)


def _time(text: str) -> str:
    # In UTC PostgreSQL writes only the hours of the zone, which ISO 8601's extended format does
    # not allow.
    return _ZONE.sub(r"\1:00", text.replace(" ", "T", 1))


def plain(text: str) -> str:
    """
    The form of values whose text is their form.
    """
    return text


SCALARS: Mapping[int, Form] = {
    16: _boolean,
    17: _bytes,
    **dict.fromkeys((20, 21, 23), _integer),
    **dict.fromkeys((114, 3802), documentForm),
    **dict.fromkeys((700, 701), _float),
    **dict.fromkeys((1114, 1184), _time),
    1700: decimalToJSON,
}
"""The forms of types with a form of their own, by the type's number, which is the same in every
PostgreSQL database (C{pg_type.dat})."""


def arrayForm(element: Form, delimiter: str = ",") -> Form:
    """
    The form of arrays: lists, nested for several dimensions.

    @param delimiter: The delimiter between two elements.
    """
    tokens = re.compile(_ELEMENT.format(delimiter=re.escape(delimiter)), re.DOTALL)

    def form(text: str) -> list[Any]:
        bounds = _BOUNDS.match(text)
        lists: list[list[Any]] = [[]]
        for match in tokens.finditer(text, bounds.end() if bounds else 0):
            quoted, bracket, parting, bare = match.groups()
            if bracket == "{":
                lists[-1].append([])
                lists.append(lists[-1][-1])
            elif bracket == "}":
                lists.pop()
            elif quoted is not None:
                lists[-1].append(element(_ESCAPED.sub(r"\1", quoted)))
            elif bare is not None:
                lists[-1].append(None if bare.upper() == "NULL" else element(bare))
            else:
                assert parting
        array: list[Any] = lists[0][0]
        return array

    return form


def rowForm(fields: Sequence[tuple[str, Form]]) -> Form:
    """
    The form of rows and of other composite values: objects.

    @param fields: The name and the form of each field.
    """

    def form(text: str) -> dict[str, Any]:
        values = _FIELD.findall(text) if fields else ()
        return {
            name: _field(value, inner) for (name, inner), value in zip(fields, values, strict=True)
        }

    return form


def formOf(described: Any) -> Form:
    """
    The form of a type that is described in plain data: the number of a type with its own form;
    C{["array", delimiter, element]}; C{["row", [[name, field], ...]]}; or 0 for any other type.
    """
    if isinstance(described, int):
        return SCALARS.get(described, plain)
    if described[0] == "array":
        return arrayForm(formOf(described[2]), described[1])
    return rowForm([(name, formOf(inner)) for name, inner in described[1]])


def _field(text: str, form: Form) -> Any:
    if not text:
        return None
    if text.startswith('"'):
        text = _ESCAPED.sub(lambda match: match[1] or '"', text[1:-1])
    return form(text)
