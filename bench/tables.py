"""
Tables, and how their cells are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Row = Sequence[str]
NONE = "-"


@dataclass(frozen=True)
class Table:
    """
    A table with its title and a note for its reader.

    @ivar words: The number of columns at the left that are words; the others are numbers.
    """

    title: str
    note: str
    header: Row
    rows: Sequence[Row]
    words: int


def number(value: float | None, digits: int = 0) -> str:
    """
    Format a number with thousands separators.
    """
    return NONE if value is None else f"{value:,.{digits}f}"


def delay(value: float | None) -> str:
    """
    Format milliseconds with a useful precision.
    """
    return NONE if value is None or value < 0 else f"{value:,.{1 if value < 100 else 0}f}"


def mebibytes(value: float | None) -> str:
    """
    Format bytes as MiB.
    """
    return NONE if value is None else number(value / (1 << 20), 1)


def lines(table: Table) -> list[str]:
    """
    Return the table as text, which is also reStructuredText.
    """
    rows = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
    rule = "  ".join("=" * width for width in widths)
    written = [rule]
    for row in rows:
        cells = [
            cell.ljust(width) if column < table.words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        written.append("  ".join(cells).rstrip())
    written.insert(2, rule)
    return [*written, rule]
