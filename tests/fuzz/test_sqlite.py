"""
Random writes to SQLite tables, from several connections, compared with copies.
"""

from __future__ import annotations

import os
import random
import sqlite3

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import Change
from aerostack.core.rows.journal import Loss
from aerostack.databases.sqlite.journal import SQLiteJournal
from tests.databases.support import Mirror, Reader, connect, tableRows
from tests.fuzz import seeds

TABLES = {
    "plains": "(a INTEGER PRIMARY KEY, b, c)",
    "uniques": "(a INTEGER PRIMARY KEY, b UNIQUE, c NOT NULL DEFAULT 1)",
    "rowids": "(a, b UNIQUE, c)",
    "texts": "(a TEXT PRIMARY KEY COLLATE NOCASE, b, c)",
    "computed": "(a INTEGER PRIMARY KEY, b NOT NULL DEFAULT 1, c, g AS (b + 1) UNIQUE)",
    "without": "(a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID",
    "children": "(a INTEGER PRIMARY KEY, b REFERENCES plains (a) ON DELETE CASCADE, c)",
}

COLUMNS = "abc"

VALUES = ("NULL", "-1", "0", "1", "2", "3", "4", "'x'", "'X'", "'y'", "1.5", "x'78'")


class SQLiteFuzz(SynchronousTestCase):
    """
    Random statements, transactions and migrations of several writers, with polls at random
    moments.
    """

    def test_copies(self) -> None:
        """
        A copy that applies all changes equals the table, and reading the changes again gives the
        same changes.
        """
        for seed in seeds(12):
            self.run_(seed)

    def run_(self, seed: int) -> None:
        chance = random.Random(seed)
        path = self.mktemp()
        writers = [connect(path) for _ in range(3)]
        writers[0].execute("PRAGMA journal_mode = WAL")
        for writer in writers:
            writer.execute("PRAGMA synchronous = OFF")
            writer.execute(f"PRAGMA foreign_keys = {chance.choice((0, 1))}")
            writer.execute(f"PRAGMA recursive_triggers = {chance.choice((0, 1))}")
        for name, columns in TABLES.items():
            writers[0].execute(f"CREATE TABLE {name} {columns}")
            for _ in range(chance.randrange(5)):
                attempt(writers[0], insert(chance, name))
        reader = Reader(connect(path), SQLiteJournal())
        mirrors = {}
        for name in TABLES:
            reader.attach(name)
            mirrors[name] = Mirror(tableRows(writers[0], name))
        start, lineages = reader.after, {}
        for name in TABLES:
            lineages[name] = reader.journal.lineage(reader.cursor, name)
        told: dict[str, list[Change]] = {name: [] for name in TABLES}
        for _ in range(chance.randrange(20, 120)):
            writer = chance.choice(writers)
            attempt(writer, statement(chance))
            if chance.random() < 0.2:
                self.tell(seed, reader, mirrors, told, chance.choice((1, 3, 1000)))
        for writer in writers:
            if writer.in_transaction:
                attempt(writer, "COMMIT")
        self.tell(seed, reader, mirrors, told, 1000)
        for name, mirror in mirrors.items():
            truth = Mirror(tableRows(writers[0], name)).sorted()
            self.assertEqual(mirror.sorted(), truth, f"seed {seed}, {name}")
            if told.get(name):
                self.readAgain(seed, reader, name, lineages[name], start, told[name])
        for connection in (*writers, reader.connection):
            connection.close()
        for ending in ("", "-wal", "-shm"):
            if os.path.exists(path + ending):
                os.unlink(path + ending)

    def tell(
        self,
        seed: int,
        reader: Reader,
        mirrors: dict[str, Mirror],
        told: dict[str, list[Change]],
        limit: int,
    ) -> None:
        events: list[Change | Loss] = []
        lost: set[str] = set()
        more = True
        while more:
            try:
                poll = reader.journal.poll(reader.cursor, reader.after, limit)
            except sqlite3.OperationalError as error:
                # A writer holds the database, so the changes come later.
                assert "locked" in str(error), (seed, error)
                break
            events += poll.events
            # No change says how the existing rows look now.
            lost |= poll.reshaped
            reader.after, more = poll.after, poll.more
        lost |= {event.table for event in events if isinstance(event, Loss)}
        for table in lost:
            # Everything that is committed has been read, or the writer who holds the database has
            # committed nothing since.
            mirrors[table] = Mirror(tableRows(reader.connection, table))
            told.pop(table, None)
        for event in events:
            if event.table in lost:
                continue
            assert isinstance(event, Change)
            try:
                mirrors[event.table].apply([event])
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {event.table}: {error}") from None
            if event.table in told:
                told[event.table].append(event)

    def readAgain(
        self, seed: int, reader: Reader, name: str, lineage: str, start: int, told: list[Change]
    ) -> None:
        journal, cursor = reader.journal, reader.cursor
        self.assertIsNone(journal.surveyPast(cursor, name, lineage, start, reader.after, 10000))
        after, found = start, []
        while page := journal.readPast(cursor, name, lineage, after, reader.after, 3):
            found += page
            after = page[-1].seq
        brief = [(c.seq, c.operation, c.data, c.old) for c in told]
        self.assertEqual(
            [(c.seq, c.operation, c.data, c.old) for c in found], brief, f"seed {seed}, {name}"
        )


def insert(chance: random.Random, table: str) -> str:
    policy = chance.choice(("", "", " OR REPLACE", " OR REPLACE", " OR IGNORE", " OR FAIL"))
    rows = ", ".join(
        f"({', '.join(chance.choice(VALUES) for _ in COLUMNS)})"
        for _ in range(chance.randrange(1, 4))
    )
    upsert = ""
    if not policy:
        upsert = chance.choice(
            ("", " ON CONFLICT DO NOTHING", " ON CONFLICT DO UPDATE SET c = excluded.c")
        )
    return f"INSERT{policy} INTO {table} (a, b, c) VALUES {rows}{upsert}"


def statement(chance: random.Random) -> str:
    table = chance.choice(list(TABLES))
    kind = chance.random()
    if kind < 0.45:
        return insert(chance, table)
    where = f" WHERE {chance.choice(COLUMNS)} IS {chance.choice(VALUES)}"
    if kind < 0.7:
        policy = chance.choice(("", " OR REPLACE", " OR IGNORE"))
        value = chance.choice((*VALUES, "a + 1", "b", "-a"))
        return f"UPDATE{policy} {table} SET {chance.choice(COLUMNS)} = {value}{where}"
    if kind < 0.8:
        return f"DELETE FROM {table}{where}"
    if kind < 0.95:
        return chance.choice(("BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s", "RELEASE s"))
    number = chance.randrange(9)
    if kind < 0.98:
        return chance.choice(
            (
                f"ALTER TABLE {table} ADD COLUMN d{number} DEFAULT {chance.randrange(9)}",
                f"CREATE UNIQUE INDEX i{number} ON {table} (c)",
                f"DROP INDEX IF EXISTS i{number}",
                "VACUUM",
            )
        )
    return chance.choice(
        (
            f"ALTER TABLE {table} DROP COLUMN d{number}",
            f"ALTER TABLE {table} RENAME COLUMN d{number} TO d{chance.randrange(9)}",
        )
    )


def attempt(connection: sqlite3.Connection, sql: str) -> None:
    """
    Run a statement that the database may refuse, but not because of the daemon's objects.
    """
    try:
        connection.execute(sql)
    except sqlite3.Error as error:
        assert "_aerostack" not in str(error), (sql, error)
        assert "no such table" not in str(error), (sql, error)
