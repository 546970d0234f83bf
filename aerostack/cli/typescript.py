"""
TypeScript for the rows of tables.
"""

from __future__ import annotations

import json
import re

from aerostack.core.rows.shapes import Kind, Shape, TableShapes

_HEAD = """\
// Written by `aerostack-rt types --ts`. Write it again after a change of the tables.
"""

_JSON = """
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
"""

_NAMES = {
    Kind.NUMBER: "number",
    Kind.WIDE: "number",
    Kind.FLOAT: "number",
    Kind.TEXT: "string",
    Kind.BOOLEAN: "boolean",
    Kind.JSON: "Json",
    Kind.BYTES: "{ base64: string }",
    Kind.MIXED: "string | number",
    Kind.ANY: "string | number | { base64: string }",
}

_EXACT = {Kind.WIDE: "number | string", Kind.FLOAT: "number | string"}
"""What is written instead if every value has to be of its type."""


def writeTypes(tables: TableShapes, exact: bool = False) -> str:
    """
    Write a module of TypeScript.

    @param exact: Whether the types have every value that may come: also the strings of numbers that
        a double does not keep, and the null elements of lists.
    @return: The module, which exports C{Tables}: the rows by the name of the table.
    """
    parts = []
    for table in sorted(tables):
        columns = [
            f"    {_name(column.name)}: {_type(column.shape, exact, column.isNullable)};"
            for column in tables[table]
        ]
        parts.append("\n".join([f"  {_name(table)}: {{", *columns, "  };"]))
    body = "\n".join(["", "export interface Tables {", *parts, "}", ""])
    return _HEAD + (_JSON if re.search(r"\bJson\b", body) else "") + body


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name, re.ASCII) else _text(name)


def _text(text: str) -> str:
    # JSON's strings are TypeScript's, too.
    return json.dumps(text)


def _type(shape: Shape, exact: bool, isNullable: bool) -> str:
    if shape.kind is Kind.JSON:
        # A document may itself be null.
        return "Json"
    return f"{_present(shape, exact)} | null" if isNullable else _present(shape, exact)


def _present(shape: Shape, exact: bool) -> str:
    """The type of values that are not null."""
    if shape.element is not None:
        element = _type(shape.element, exact, exact)
        return f"({element})[]" if " | " in element else f"{element}[]"
    if shape.kind is Kind.OBJECT:
        fields = [f"{_name(name)}: {_type(field, exact, True)}" for name, field in shape.fields]
        return f"{{ {'; '.join(fields)} }}" if fields else "Record<string, never>"
    if shape.labels:
        return " | ".join(map(_text, shape.labels))
    return _EXACT.get(shape.kind, _NAMES[shape.kind]) if exact else _NAMES[shape.kind]
