"""
Queries for rows, in the form in which the triggers copy them.
"""

from __future__ import annotations

from collections.abc import Sequence

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.postgres.catalog import Column


def rowSQL(columns: Sequence[Column], source: str) -> str:
    """
    The beginning of a query for rows, in the form in which the triggers copy them.

    It names the columns, because the server may see other columns than the daemon if a table is
    altered at that moment, and because C{to_json} calls casts of the owner of a type.

    @param source: A table and the clauses after it; it is called C{n}.
    @return: A query with a column C{row} of the type C{json}, to be run with parameters.
    """
    names = valuesSQL(columns).replace("%", "%%")
    return f"SELECT to_json(r.*) AS row FROM (SELECT {names} FROM {source}) AS r"


def valuesSQL(columns: Sequence[Column]) -> str:
    """
    The values of columns of a table that is called C{n}, in a form that C{to_json} may write.
    """
    return ", ".join(_valueSQL(column) for column in columns if not column.isVirtual)


def _valueSQL(column: Column) -> str:
    name = quoteIdentifier(column.name)
    if not column.isForeign:
        return f"n.{name}"
    return f"CASE WHEN num_nulls(n.{name}) = 0 THEN format('%s', n.{name}) END AS {name}"
