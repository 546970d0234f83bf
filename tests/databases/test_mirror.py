"""
A copy that is kept by its changes alone equals the table, whatever statements write to it.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite.journal import SQLiteJournal
from tests.databases.support import Mirror, Reader, connect, tableRows

COLUMNS = ("a", "b", "c")

VALUES = st.sampled_from(
    ["NULL", "0", "1", "2", "3", "1.5", "'a'", "'A'", "'b'", "'1'", "x'61'", "9223372036854775807"]
)

POLICIES = st.sampled_from(["", "", " OR REPLACE", " OR REPLACE", " OR IGNORE", " OR FAIL"])

TABLES = [
    "CREATE TABLE t (a, b, c)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b, c)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE ON CONFLICT REPLACE, c)",
    "CREATE TABLE t (a PRIMARY KEY, b, c, UNIQUE (b, c))",
    "CREATE TABLE t (a INT, b TEXT COLLATE NOCASE UNIQUE, c REAL)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL DEFAULT 1 UNIQUE, c)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b INT, c INT, g AS (b + 1) UNIQUE)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL DEFAULT 1, c, g AS (b || c) UNIQUE)",
    "CREATE TABLE t (a PRIMARY KEY, b, c) WITHOUT ROWID",
    "CREATE TABLE t (a TEXT COLLATE NOCASE, b, c UNIQUE, PRIMARY KEY (b, a)) WITHOUT ROWID",
    "CREATE TABLE t (a INT, b, c, PRIMARY KEY (a ASC, b COLLATE NOCASE)) WITHOUT ROWID",
    # A row that is replaced, or whose key changes, deletes or changes other rows with it.  (Not
    # itself: SQLite cascades before it fires AFTER triggers, so the journal would have the wrong
    # order.)
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b REFERENCES t ON DELETE CASCADE"
    " ON UPDATE CASCADE, c, CHECK (a IS NOT b))",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b REFERENCES t ON DELETE SET NULL, c UNIQUE)",
]

EXTRAS = [
    "CREATE UNIQUE INDEX i ON t (c)",
    "CREATE UNIQUE INDEX i ON t (c COLLATE NOCASE, b)",
    "CREATE UNIQUE INDEX i ON t (b) WHERE c IS NULL",
    "CREATE UNIQUE INDEX i ON t (lower(c), b)",
    "CREATE UNIQUE INDEX i ON t (c) WHERE b > 0 -- of those that count",
    "CREATE TRIGGER u AFTER INSERT ON t BEGIN UPDATE t SET c = 'new' WHERE a = new.a; END",
    "CREATE TRIGGER u AFTER UPDATE OF b ON t BEGIN UPDATE t SET c = 2 WHERE a IS new.a; END",
    "CREATE TRIGGER u AFTER DELETE ON t BEGIN INSERT OR IGNORE INTO t (a, b) VALUES (7, 7); END",
]


@st.composite
def inserts(draw: Any) -> str:
    rows = draw(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=3))
    values = ", ".join(f"({', '.join(row)})" for row in rows)
    upsert = draw(
        st.sampled_from(
            [
                "",
                "",
                "",
                " ON CONFLICT DO NOTHING",
                " ON CONFLICT (a) DO UPDATE SET c = excluded.b",
                " ON CONFLICT (a) DO UPDATE SET a = excluded.a + 1, b = 3",
                " ON CONFLICT DO UPDATE SET b = excluded.c, c = 1",
            ]
        )
    )
    policy = draw(POLICIES) if not upsert else ""
    return f"INSERT{policy} INTO t (a, b, c) VALUES {values}{upsert}"


@st.composite
def updates(draw: Any) -> str:
    column = draw(st.sampled_from([*COLUMNS, "rowid"]))
    value = draw(VALUES | st.sampled_from(["a + 1", "b", "c", "-a"]))
    where = draw(
        st.sampled_from(["", " WHERE a > 0"])
        | st.builds(" WHERE {} IS {}".format, st.sampled_from(COLUMNS), VALUES)
    )
    return f"UPDATE{draw(POLICIES)} t SET {column} = {value}{where}"


DELETES = st.just("DELETE FROM t") | st.builds(
    "DELETE FROM t WHERE {} IS {}".format, st.sampled_from(COLUMNS), VALUES
)

CONTROL = st.sampled_from(
    ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"]
)

STATEMENTS: SearchStrategy[str] = st.one_of(
    inserts(), inserts(), inserts(), updates(), updates(), DELETES, CONTROL
)


class MirrorTests(SynchronousTestCase):
    """
    A table, random statements, and a copy.
    """

    @settings(
        max_examples=int(os.environ.get("MIRROR_EXAMPLES", "300")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        table=st.sampled_from(TABLES),
        extras=st.lists(st.sampled_from(EXTRAS), max_size=1),
        recursive=st.booleans(),
        early=st.lists(inserts(), max_size=2),
        data=st.data(),
    )
    def test_copy(
        self, table: str, extras: list[str], recursive: bool, early: list[str], data: DataObject
    ) -> None:
        """
        Applying the changes to a copy gives the table, and each change's C{old} is the copy's
        row.
        """
        path = self.mktemp()
        writer = connect(path)
        writer.execute("PRAGMA journal_mode = MEMORY")
        writer.execute("PRAGMA synchronous = OFF")
        writer.execute("PRAGMA foreign_keys = ON")
        writer.execute(f"PRAGMA recursive_triggers = {recursive:d}")
        writer.execute(table)
        for statement in extras:
            try:
                writer.execute(statement)
            except sqlite3.OperationalError:
                continue
        for statement in early:
            attempt(writer, statement)
        reader = Reader(connect(path), SQLiteJournal())
        reader.connection.execute("PRAGMA synchronous = OFF")
        reader.attach("t")
        mirror = Mirror(tableRows(writer, "t"))
        for statement in data.draw(st.lists(STATEMENTS, min_size=1, max_size=12)):
            if "SET NULL" in table and statement.startswith("UPDATE OR REPLACE"):
                # It can change the row that is being updated, in the middle of the update.
                continue
            attempt(writer, statement)
            if not writer.in_transaction:
                mirror.apply(reader.events())
        if writer.in_transaction:
            writer.execute("COMMIT")
        mirror.apply(reader.events())
        self.assertEqual(mirror.sorted(), Mirror(tableRows(writer, "t")).sorted())
        writer.close()
        reader.connection.close()
        os.unlink(path)


def attempt(connection: sqlite3.Connection, statement: str) -> None:
    """
    Run a statement that the table may refuse, but not because of the daemon's objects.
    """
    try:
        connection.execute(statement)
    except sqlite3.IntegrityError:
        pass
    except sqlite3.OperationalError as error:
        assert "_aerostack" not in str(error), error
        assert "no such table" not in str(error), error
