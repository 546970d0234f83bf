"""
Quoting of SQL identifiers: the one place where a name becomes SQL text.
"""

from __future__ import annotations


def quoteIdentifier(name: str) -> str:
    """
    Quote a table's or column's name for SQL, by the rule that SQLite and
    PostgreSQL share (SQL:2016, 5.2, delimited identifiers).

    @raise ValueError: The name is empty or has a NUL, which neither can hold.
    """
    if not name or "\x00" in name:
        raise ValueError(f"{name!r} cannot be an SQL identifier")
    return '"' + name.replace('"', '""') + '"'
