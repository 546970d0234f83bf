"""
The cost of watched tables for a program that writes to SQLite: for each connection that it opens,
and for each row.

Times are processor time of the writing thread, the lowest of several tries, so that other load on
the machine hardly matters.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from aerostack.databases.sqlite.journal import SQLiteJournal

ROWS = 30_000

STATEMENTS = {
    "rows of a bulk insert": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    f" WHERE i < {ROWS}) INSERT INTO table_0 (column_1, column_2) SELECT i, 'note' FROM n",
    "rows of a bulk update": "UPDATE table_0 SET column_1 = column_1 || 'x'",
    "rows of a bulk delete": "DELETE FROM table_0 WHERE id > 0",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        for tables in (1, 20, 125):
            paths = [
                make(Path(directory) / f"{tables}-{watch}.db", tables, 10, watch)
                for watch in (False, True)
            ]
            plain, watched = least(60, [partial(openOnce, path) for path in paths])
            print(
                f"open, first statement, {tables:3} tables of 10 columns:"
                f" {plain * 1e3:.2f} ms, watched {watched * 1e3:.2f} ms ({watched / plain:.1f} x)"
            )
        connections = [
            sqlite3.connect(make(Path(directory) / f"rows-{watch}.db", 1, 3, watch))
            for watch in (False, True)
        ]
        best = {what: [float("inf")] * 2 for what in STATEMENTS}
        for connection in connections:
            connection.isolation_level = None
            connection.execute("PRAGMA synchronous = OFF")
        for _ in range(8):
            for what, statement in STATEMENTS.items():
                found = least(1, [partial(each.execute, statement) for each in connections])
                best[what] = [min(pair) for pair in zip(best[what], found, strict=True)]
        for what, (plain, watched) in best.items():
            print(
                f"{what}: {ROWS / plain:,.0f}/s, watched {ROWS / watched:,.0f}/s"
                f" ({plain / watched:.2f})"
            )


def make(path: Path, tables: int, columns: int, watch: bool) -> Path:
    """
    Create a database, and watch its tables or not.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    names = ", ".join(f"column_{number} TEXT" for number in range(1, columns))
    for number in range(tables):
        connection.execute(f"CREATE TABLE table_{number} (id INTEGER PRIMARY KEY, {names})")
    if watch:
        journal, cursor = SQLiteJournal(), connection.cursor()
        journal.prepare(cursor)
        for number in range(tables):
            journal.attach(cursor, f"table_{number}")
    connection.close()
    return path


def least(times: int, works: Sequence[Callable[[], object]]) -> list[float]:
    """
    Return the lowest processor time of each of several functions, in seconds.  They take turns.
    """
    found = [float("inf")] * len(works)
    for _ in range(times):
        for index, work in enumerate(works):
            began = time.thread_time()
            work()
            found[index] = min(found[index], time.thread_time() - began)
    return found


def openOnce(path: Path) -> None:
    """
    Open a connection and run a statement.
    """
    connection = sqlite3.connect(path)
    connection.execute("SELECT * FROM table_0 WHERE id = 1").fetchall()
    connection.close()


if __name__ == "__main__":
    main()
