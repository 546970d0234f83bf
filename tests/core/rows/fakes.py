"""
A table whose changes the tests of filters and views are about.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.core.rows.filters import Filter

COLUMNS: Columns = {
    "id": ColumnType.NUMBER,
    "state": ColumnType.NUMBER,
    "owner": ColumnType.TEXT,
    "note": ColumnType.ANY,
}

NUMBERS = st.sampled_from([-1, 0, 1, 1.5, "9007199254740993", True])
TEXTS = st.sampled_from(["", "1", "a", "ab", "b"])
VALUES = {"state": NUMBERS, "owner": TEXTS, "note": NUMBERS | TEXTS}

rows = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}).filter(
    lambda row: row["state"] is not True
)

# Each step is (which row, its new values, or None to delete it).
histories = st.lists(st.tuples(st.integers(0, 4), st.none() | rows), max_size=25)

History = list[tuple[int, Row | None]]


def _operators(column: str) -> st.SearchStrategy[dict[str, Any]]:
    values = VALUES[column]
    wanted = {name: values for name in ("eq", "neq", "gt", "gte", "lt", "lte")}
    wanted["in"] = st.lists(values, max_size=3)
    wanted["is_null"] = st.booleans()
    if column != "state":
        wanted["like"] = st.sampled_from(["a%", "%b", "_", "%"])
    return st.lists(st.sampled_from(sorted(wanted)), min_size=1, max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: wanted[name] for name in names})
    )


filters = st.dictionaries(st.sampled_from(sorted(VALUES)), st.none(), max_size=2).flatmap(
    lambda chosen: st.fixed_dictionaries(
        {name: st.none() | VALUES[name] | _operators(name) for name in chosen}
    )
)
"""What clients ask for."""


def changesOf(history: History) -> list[Change]:
    """
    What a table would report of a history.
    """
    table: dict[int, Row] = {}
    changes = []
    for seq, (key, values) in enumerate(history, 1):
        old = table.pop(key, None)
        if values is not None:
            row = table[key] = {"id": key, **values}
            operation = INSERT if old is None else UPDATE
            changes.append(Change(seq, "orders", operation, row, old, seq))
        elif old is not None:
            changes.append(Change(seq, "orders", DELETE, old, old, seq))
    return changes


def within(filter: Filter | None, row: Row) -> bool:
    """
    Whether a row is within a filter, if there is one.
    """
    return filter is None or filter.match(row)
