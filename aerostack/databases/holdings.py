"""
What the database has of the daemon, as an operator reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aerostack.databases.dialect import Dialect


@dataclass(frozen=True)
class Holding:
    """
    An object of the daemon.

    @ivar name: What it is, as a person finds it in the database.
    @ivar rows: How many rows it has that the daemon could not make again.
    @ivar what: What one such row is called, and what several are.
    @ivar isHistory: Whether it belongs to the kept messages and what is kept with them.
    @ivar which: What is in the rows, in a few words; empty if the number says enough.
    """

    name: str
    rows: int = 0
    what: tuple[str, str] = ("row", "rows")
    isHistory: bool = False
    which: str = ""

    @property
    def loss(self) -> str:
        """What is lost with it; empty if nothing is."""
        return f"{self._count} ({self.which})" if self.which else self._count

    @property
    def _count(self) -> str:
        return f"{self.rows:,} {self.what[self.rows != 1]}" if self.rows else ""

    def __str__(self) -> str:
        which = f": {self.which}" if self.which else ""
        return f"{self.name} ({self._count}{which})" if self.rows else self.name


_EVENTS = ("event that was never published", "events that were never published")

_NAMED = 5
"""How many kinds of events are named; the others are counted."""

_LONGEST = 60
"""How many characters of a name are shown."""


def lossOf(holdings: Iterable[Holding]) -> str:
    """
    Say what is lost with some objects; empty if nothing is.
    """
    losses = [each.loss for each in holdings if each.rows]
    return " and ".join(filter(None, [", ".join(losses[:-1]), *losses[-1:]]))


def emitted(cursor: Any, table: str) -> Holding:
    """
    Read which events of transactions wait in the daemon's table.  They are committed, and no client
    has them.

    @param table: The name of the table.
    """
    # One row for each kind of event, with the numbers of all kinds and all rows.
    cursor.execute(
        "SELECT event, topic, count(*), count(*) OVER (), sum(count(*)) OVER ()"
        f" FROM {table} GROUP BY event, topic ORDER BY 3 DESC, 1, 2 LIMIT {_NAMED}"
    )
    found = cursor.fetchall()
    if not found:
        return Holding(table)
    named = [
        f"{number:,} of {_short(event)} on {_short(topic)}" for event, topic, number, *_ in found
    ]
    kinds, rows = int(found[0][3]), int(found[0][4])
    if kinds > len(found):
        named.append(f"{rows - sum(number for _, _, number, *_ in found):,} of other names")
    return Holding(table, rows, _EVENTS, which=", ".join(named))


def _short(name: object) -> str:
    shown = str(name)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def tables(cursor: Any, dialect: Dialect) -> list[Holding]:
    """
    Find the daemon's own tables.
    """
    kinds = {
        dialect.messages: ("kept message", "kept messages"),
        dialect.values: ("value of a keyed topic", "values of keyed topics"),
        dialect.answers: ("unfinished token stream", "unfinished token streams"),
        dialect.revocations: ("revocation of tokens", "revocations of tokens"),
    }
    cursor.execute(dialect.listing)
    found = []
    for (name,) in cursor.fetchall():
        rows = countRows(cursor, name) if name in kinds else 0
        found.append(Holding(name, rows, kinds.get(name, Holding.what), isHistory=True))
    return found


def countRows(cursor: Any, table: str) -> int:
    """
    Count the rows of a table of the daemon.
    """
    cursor.execute(f"SELECT count(*) FROM {table}")
    (rows,) = cursor.fetchone()
    return int(rows)
