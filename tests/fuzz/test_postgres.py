"""
Random writes to PostgreSQL tables, from several connections, compared with copies.
"""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import Change, Row
from aerostack.core.rows.journal import Loss
from aerostack.core.rows.selection import Bounds, Selection
from aerostack.databases.postgres import following
from aerostack.databases.postgres.journal import PostgresJournal
from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue
from tests.databases.support import Mirror, Reader
from tests.fuzz import seeds
from tests.postgres import ROLE, Database, server

BOUNDS = Bounds(10_000, 10_000_000, 60.0)

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE plain (id int PRIMARY KEY, a text, b numeric);
CREATE TABLE child (id int PRIMARY KEY, a text,
  b int REFERENCES plain ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE parts (id int, a text, b numeric) PARTITION BY LIST (id);
CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1, 2);
CREATE TABLE part2 PARTITION OF parts FOR VALUES IN (3);
CREATE TABLE rest PARTITION OF parts DEFAULT;
CREATE TABLE kin (id int, a text, b numeric);
CREATE TABLE kid (c int) INHERITS (kin);
CREATE TABLE odd (id int, a mood[], b jsonb, c bytea);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF NEW.a = 'x' THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON part2 FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN UPDATE plain SET a = 'again' WHERE id = NEW.id; RETURN NULL; END $$;
CREATE TRIGGER again AFTER INSERT ON plain FOR EACH ROW WHEN (NEW.a = 'y')
  EXECUTE FUNCTION again();
"""

FOLLOWED = ("plain", "child", "parts", "kin", "odd")
WRITTEN = (*FOLLOWED, "part1", "rest", "kid")


class PostgresFuzz(SynchronousTestCase):
    """
    Random statements, transactions and migrations of several writers, with polls at random
    moments.
    """

    def test_copies(self) -> None:
        """
        A copy that applies all changes equals the table, and a snapshot equals the table at its
        position.
        """
        # Every poll sees the earlier statements.
        self.patch(following, "CHECKING", 0.0)
        for seed in seeds(4):
            self.run_(seed)

    def run_(self, seed: int) -> None:
        chance = random.Random(seed)
        database = Database(server())
        database.execute(SCHEMA)
        writers = [database.connect() for _ in range(3)]
        for writer in writers:
            # A writer that would wait for another one gives up.
            writer.execute("SET lock_timeout = 20")
            writer.execute(f"SET bytea_output = {chance.choice(('hex', 'escape'))}")
        beside, numbering = database.connect(ROLE), database.connect(ROLE)
        journal = PostgresJournal(lend=lambda: contextlib.nullcontext(numbering))
        copies = Copies(seed, Reader(database.connect(ROLE), journal), beside)
        for number in range(chance.randrange(30, 90)):
            attempt(chance.choice(writers), statement(chance, number))
            if chance.random() < 0.2:
                copies.tell(chance.choice((1, 3, 1000)))
        for writer in writers:
            if writer.info.transaction_status is not TransactionStatus.IDLE:
                attempt(writer, "COMMIT")
        copies.tell(1000)
        for name in FOLLOWED:
            rows, _ = copies.read(name)
            told = copies.mirrors[name].sorted()
            self.assertEqual(told, Mirror(rows).sorted(), f"seed {seed}, {name}")
        for connection in (*writers, beside, numbering, copies.reader.connection):
            connection.close()
        database.drop()


class Copies:
    """
    Copies of tables, as a client maintains them.
    """

    def __init__(self, seed: int, reader: Reader, beside: Any) -> None:
        self.seed = seed
        self.reader = reader
        self.beside = beside
        for name in FOLLOWED:
            reader.attach(name)
        self.mirrors = {name: Mirror() for name in FOLLOWED}
        # The changes that the snapshot already contains.
        self.begun = dict.fromkeys(FOLLOWED, 0)
        self.lost: set[str] = set()

    def read(self, table: str) -> tuple[list[Row], int]:
        """
        Read a table's rows, and their position among the changes.
        """
        cursor = self.beside.cursor()
        snapshot = self.reader.journal.snapshot(cursor, table, Selection(), BOUNDS)
        return [comparable(row) for row in snapshot.rows], snapshot.position

    def tell(self, limit: int) -> None:
        """
        Apply changes; read a table again if it is lost or has other columns.
        """
        more = True
        lost = self.lost
        events: list[Change | Loss] = []
        while more:
            poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, limit)
            events += poll.events
            lost |= poll.altered | poll.reshaped
            self.reader.after, more = poll.after, poll.more
        lost |= {event.table for event in events if isinstance(event, Loss)}
        for event in events:
            if event.table not in lost and event.seq > self.begun[event.table]:
                assert isinstance(event, Change)
                old = None if event.old is None else comparable(event.old)
                change = replace(event, data=comparable(event.data), old=old)
                try:
                    self.mirrors[event.table].apply([change])
                except AssertionError as error:
                    raise AssertionError(f"seed {self.seed}: {event.table}: {error}") from None
        for table in sorted(lost):
            try:
                rows, self.begun[table] = self.read(table)
            except RealtimeError as error:
                # A writer holds a lock; read later.
                assert error.code == "database_unavailable", error
            else:
                self.mirrors[table] = Mirror(rows)
                lost.discard(table)


def comparable(row: Row) -> Row:
    """
    Return a row as a client reads it.
    """
    read: Row = json.loads(encodeValue(row))
    return read


def attempt(writer: Any, sql: str) -> None:
    """
    Run a statement, which may fail; a transaction continues without it.
    """
    inside = writer.info.transaction_status is TransactionStatus.INTRANS
    if sql == "BEGIN" and inside:
        sql = "COMMIT"
    with contextlib.suppress(psycopg.Error):
        if inside and sql not in ("COMMIT", "ROLLBACK"):
            writer.execute("SAVEPOINT attempt")
        writer.execute(sql)
    if writer.info.transaction_status is TransactionStatus.INERROR:
        # A group of statements may have ended the transaction, and begun another one.
        with contextlib.suppress(psycopg.Error):
            writer.execute("ROLLBACK TO attempt")
    if writer.info.transaction_status is TransactionStatus.INERROR:
        writer.execute("ROLLBACK")


def statement(chance: random.Random, number: int) -> str:
    """
    Return one statement, or a few that belong together.
    """
    table = chance.choice(WRITTEN)
    key, other = chance.randrange(1, 6), chance.randrange(1, 6)
    return chance.choice(
        (
            *(insert(chance, table),) * 6,
            f"UPDATE {table} SET id = {other} WHERE id = {key}",
            f"UPDATE {table} SET id = id % 5 + 1 WHERE id > {key}",
            f"UPDATE {table} SET a = NULL WHERE id = {key}",
            f"UPDATE {table} SET a = {value(chance, table, 'a')}",
            f"DELETE FROM {table} WHERE id = {key}",
            f"DELETE FROM {table} WHERE id > {key}",
            *("BEGIN",) * 3,
            "ROLLBACK",
            f"INSERT INTO plain VALUES ({key}) ON CONFLICT (id) DO UPDATE SET a = 'z'",
            f"MERGE INTO plain USING kin ON kin.id = plain.id WHEN MATCHED AND plain.id > {key}"
            " THEN DELETE WHEN MATCHED THEN UPDATE SET a = 'm'"
            " WHEN NOT MATCHED THEN INSERT (id, a) VALUES (kin.id, 'n')",
            f"TRUNCATE {chance.choice(FOLLOWED[2:])}",
            migration(chance, number),
        )
    )


def migration(chance: random.Random, number: int) -> str:
    """
    Return a change of a table's definition.
    """
    table, key = chance.choice(FOLLOWED), chance.randrange(1, 6)
    return chance.choice(
        (
            f"ALTER TABLE {table} ADD n{number} int DEFAULT {number}",
            f"ALTER TABLE {table} ADD b{number} bytea;"
            rf" UPDATE {table} SET b{number} = '\x00ff'",
            f"ALTER TABLE {table} ADD m{number} mood DEFAULT 'glad'",
            f"ALTER TABLE {table} RENAME a TO a{number};"
            f" ALTER TABLE {table} ADD a {'mood[]' if table == 'odd' else 'text'}",
            "BEGIN; ALTER TABLE kin ALTER b TYPE text; UPDATE kin SET b = 'b' || b; COMMIT",
            # The daemon cannot see that numbers change while their type stays.
            "ALTER TABLE kin ALTER b TYPE numeric USING ltrim(b::text, 'b')::numeric",
            f"BEGIN; CREATE TABLE new{number} (LIKE parts);"
            f" WITH gone AS (DELETE FROM rest WHERE id = {key} RETURNING *)"
            f" INSERT INTO new{number} SELECT * FROM gone;"
            f" ALTER TABLE parts ATTACH PARTITION new{number} FOR VALUES IN ({key}); COMMIT",
            f"BEGIN; CREATE TABLE new{number} PARTITION OF parts FOR VALUES IN ({key});"
            f" INSERT INTO parts (id, a) VALUES ({key}, 'p'); COMMIT",
            f"CREATE TABLE kid{number} () INHERITS (kin);"
            f" INSERT INTO kid{number} (id) VALUES ({key})",
            "ALTER TABLE parts DETACH PARTITION part1",
            "ALTER TABLE kid NO INHERIT kin",
            f"VACUUM FULL {table}",
        )
    )


def insert(chance: random.Random, table: str) -> str:
    values = ", ".join(value(chance, table, column) for column in "ab")
    return f"INSERT INTO {table} (id, a, b) VALUES ({chance.randrange(1, 6)}, {values})"


def value(chance: random.Random, table: str, column: str) -> str:
    if table == "odd":
        return chance.choice(("NULL", "'{sad,NULL}'") if column == "a" else ("NULL", "'[1.10]'"))
    if column == "a":
        return chance.choice(("NULL", "'x'", "'y'", "'é\"'"))
    return chance.choice(("NULL", "1", "2", "3"))
