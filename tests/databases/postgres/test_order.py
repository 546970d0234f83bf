"""
Order and completeness under concurrent writers: L{aerostack.databases.postgres.journal}.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aerostack.core.rows.changes import Change
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import Mirror

WRITERS = 3


@dataclass
class Writer:
    """
    One connection, and what it has done in its open transaction.

    @ivar marks: The rows that it wrote, by savepoint.
    @ivar saw: The rows that it read.  The rows that it wrote later are their effects.
    """

    connection: Any
    isOpen: bool = False
    marks: list[list[int]] = field(default_factory=lambda: [[]])
    saw: set[int] = field(default_factory=set)
    causes: dict[int, set[int]] = field(default_factory=dict)


# What a connection may do outside of a transaction, and within one.
OUTSIDE = ("begin", "begin", "begin_repeatable", "write", "look", "poll")
INSIDE = ("write", "write", "write_both", "look", "save", "undo", "commit", "rollback", "poll")

STEPS = st.tuples(st.integers(0, WRITERS - 1), st.integers(0, len(OUTSIDE) * len(INSIDE) - 1))


class OrderTests(PostgresCase):
    """
    Several connections, driven from one thread.
    """

    def setUp(self) -> None:
        super().setUp()
        self.run_(
            "CREATE TABLE t (id bigint PRIMARY KEY)",
            "CREATE TABLE u (id bigint PRIMARY KEY)",
        )
        self.reader.attach("t")
        self.reader.attach("u")
        self.serial = 0
        self.connections = [self.connect() for _ in range(WRITERS)]

    @settings(
        max_examples=int(os.environ.get("ORDER_EXAMPLES", "60")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps=st.lists(STEPS, min_size=30, max_size=80))
    def test_interleaved(self, steps: list[tuple[int, int]]) -> None:
        """
        However transactions are interleaved, each committed change is reported once, transactions
        stay together, and no effect is reported before its cause.
        """
        self.writers = [Writer(connection) for connection in self.connections]
        self.committed: dict[int, set[int]] = {}
        self.transactions: list[set[int]] = []
        self.told: list[Change] = []
        for number, choice in steps:
            writer = self.writers[number]
            actions = INSIDE if writer.isOpen else OUTSIDE
            getattr(self, "_" + actions[choice % len(actions)])(writer)
        for writer in self.writers:
            self._commit(writer)
        self._poll(self.writers[0])
        ids = [change.data["id"] for change in self.told]
        self.assertEqual(sorted(ids), sorted(self.committed))
        place = {id: i for i, id in enumerate(ids)}
        for id, causes in self.committed.items():
            for cause in causes:
                self.assertLess(place[cause], place[id], (cause, id))
        self.assertTransactions()

    def assertTransactions(self) -> None:
        """
        Check that the changes of a transaction are together, have one name and the order in which
        they were made, and mark the end for each table.
        """
        groups: list[tuple[str | None, list[Change]]] = []
        for change in self.told:
            if not groups or groups[-1][0] != change.transaction:
                groups.append((change.transaction, []))
            groups[-1][1].append(change)
        found = [{change.data["id"] for change in group} for _, group in groups]
        self.assertEqual(sorted(map(sorted, found)), sorted(map(sorted, self.transactions)))
        for _, group in groups:
            ids = [change.data["id"] for change in group]
            self.assertEqual(ids, sorted(ids))
            for table in {change.table for change in group}:
                lasts = [change.last for change in group if change.table == table]
                self.assertEqual(lasts, [False] * (len(lasts) - 1) + [True])

    def _begin(self, writer: Writer, isolation: str = "READ COMMITTED") -> None:
        if not writer.isOpen:
            writer.connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
            writer.isOpen = True

    def _begin_repeatable(self, writer: Writer) -> None:
        self._begin(writer, "REPEATABLE READ")

    def _write(self, writer: Writer, *tables: str) -> None:
        for table in tables or ("t",):
            self.serial += 1
            writer.connection.execute(f"INSERT INTO {table} VALUES (%s)", (self.serial,))
            writer.marks[-1].append(self.serial)
            writer.causes[self.serial] = set(writer.saw)
        if not writer.isOpen:
            self._end(writer)

    def _write_both(self, writer: Writer) -> None:
        if writer.isOpen:
            self._write(writer, "t", "u", "t")

    def _look(self, writer: Writer) -> None:
        """
        Read what others have committed; later writes are its effects.
        """
        rows = writer.connection.execute("SELECT id FROM t UNION SELECT id FROM u").fetchall()
        writer.saw = {id for (id,) in rows if id in self.committed}
        if not writer.isOpen:
            self._write(writer)

    def _save(self, writer: Writer) -> None:
        if writer.isOpen:
            writer.connection.execute("SAVEPOINT s")
            writer.marks.append([])

    def _undo(self, writer: Writer) -> None:
        if len(writer.marks) > 1:
            writer.connection.execute("ROLLBACK TO s")
            writer.connection.execute("RELEASE s")
            writer.marks.pop()

    def _commit(self, writer: Writer) -> None:
        if writer.isOpen:
            writer.connection.execute("COMMIT")
            self._end(writer)

    def _rollback(self, writer: Writer) -> None:
        if writer.isOpen:
            writer.connection.execute("ROLLBACK")
            writer.marks = [[]]
            self._end(writer)

    def _end(self, writer: Writer) -> None:
        written = {id for ids in writer.marks for id in ids}
        self.committed.update({id: writer.causes[id] for id in written})
        if written:
            self.transactions.append(written)
        writer.isOpen = False
        writer.marks, writer.saw, writer.causes = [[]], set(), {}

    def _poll(self, writer: Writer) -> None:
        for event in self.reader.events(limit=3):
            assert isinstance(event, Change), event
            self.told.append(event)
        # No change is reported before its commit.
        self.assertLessEqual({change.data["id"] for change in self.told}, self.committed.keys())


class ThreadTests(PostgresCase):
    """
    Several connections, each on its own thread.
    """

    COUNT = 150

    def test_threads(self) -> None:
        """
        While writers wait for each other, roll back and deadlock, a copy that is kept by the
        changes equals the table, and each change of a row begins where the one before ended.
        """
        self.run_(
            "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, by text)",
            "INSERT INTO t SELECT i, 0, '' FROM generate_series(0, 9) AS i",
        )
        self.reader.attach("t")
        mirror = Mirror(self.rows("t"))
        versions: dict[int, int] = defaultdict(int)
        threads = [Thread(target=self.write, args=(i, self.connect())) for i in range(4)]
        for thread in threads:
            thread.start()
        transactions: list[str | None] = []
        isOver = False
        while not isOver:
            isOver = not any(thread.is_alive() for thread in threads)
            changes = [e for e in self.reader.events(limit=50) if isinstance(e, Change)]
            mirror.apply(changes)
            for change in changes:
                assert change.old is not None
                self.assertEqual(change.old["n"], versions[change.data["id"]])
                versions[change.data["id"]] = change.data["n"]
                if not transactions or transactions[-1] != change.transaction:
                    transactions.append(change.transaction)
        self.assertEqual(mirror.sorted(), Mirror(self.rows("t")).sorted())
        self.assertEqual(len(transactions), len(set(transactions)))
        self.assertGreater(len(transactions), self.COUNT)

    def write(self, number: int, connection: Any) -> None:
        """
        Add to rows, with every way to begin and to end a transaction.
        """
        for i in range(number, self.COUNT + number):
            id = i * (number + 1) % 10
            try:
                with connection.transaction():
                    self.add(connection, number, id)
                    if i % 3 == 1:
                        self.add(connection, number, (id + 3) % 10)
                    if i % 3 == 2:
                        with connection.transaction(force_rollback=True):
                            self.add(connection, number, id)
                        self.add(connection, number, id)
                    if i % 7 == 0:
                        raise psycopg.Rollback
            except psycopg.errors.DeadlockDetected:
                continue

    def add(self, connection: Any, number: int, id: int) -> None:
        connection.execute("UPDATE t SET n = n + 1, by = %s WHERE id = %s", (str(number), id))
