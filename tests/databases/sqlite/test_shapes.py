"""
What SQLite's journal reports besides the rows: the ends of transactions, and the columns.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import ColumnType
from aerostack.errors import RealtimeError
from tests.databases.support import JournalCase


class TransactionTests(JournalCase):
    """
    The ends of transactions.
    """

    def ends(self, limit: int = 1000) -> list[tuple[str, Any, bool]]:
        """
        The reported changes: the table, the value, and whether it is a last change.
        """
        found = []
        for event in self.reader.events(limit):
            assert isinstance(event, Change), event
            found.append((event.table, event.data["a"], event.last))
        return found

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (a)")
        self.follow("u", "CREATE TABLE u (a)")

    def test_read(self) -> None:
        """
        The last change of each table is marked.
        """
        self.run_("BEGIN", *(f"INSERT INTO {t} VALUES ({n})" for n, t in enumerate("ttut")))
        self.assertEqual(self.ends(), [])
        self.run_("COMMIT")
        self.assertEqual(
            self.ends(),
            [("t", 0, False), ("t", 1, False), ("u", 2, True), ("t", 3, True)],
        )
        self.assertEqual(self.ends(), [])
        self.run_("INSERT INTO t VALUES (4)")
        self.assertEqual(self.ends(), [("t", 4, True)])

    def test_steps(self) -> None:
        """
        A transaction that is read in pieces has its mark at its end and nowhere else, also if it
        ends with a piece.
        """
        tables = "uttttttuttttt"
        statements = [f"INSERT INTO {t} VALUES ({n})" for n, t in enumerate(tables)]
        expected = [(t, n, n in (7, 12)) for n, t in enumerate(tables)]
        for limit in (1, 2, 3, 4, 6, 7, 8, 12, 13, 14):
            self.run_("BEGIN", *statements, "COMMIT")
            self.assertEqual(self.ends(limit), expected, limit)


class ColumnTests(JournalCase):
    """
    The types of columns.
    """

    def types(self, *declared: str) -> list[ColumnType]:
        columns = ", ".join(f'"c{n}" {kind}' for n, kind in enumerate(declared))
        self.run_("DROP TABLE IF EXISTS t", f"CREATE TABLE t ({columns})")
        found = self.reader.journal.columns(self.reader.cursor, "T")
        self.assertEqual(list(found), [f"c{n}" for n in range(len(declared))])
        return list(found.values())

    def test_types(self) -> None:
        """
        A column's values are compared by its affinity; a type that SQLite treats as numeric
        because it does not know it may hold anything.
        """
        for type, *declared in (
            (
                ColumnType.NUMBER,
                *("INTEGER", "int", "BIGINT", "REAL", "DOUBLE PRECISION", "FLOAT", "NUMERIC"),
                *("DECIMAL(10,2)", "NUMBER", "BOOLEAN", "bool", "TINYINT(1)", "POINT"),
            ),
            (ColumnType.TEXT, "TEXT", "varchar(40)", "CLOB", "NATIVE CHARACTER(70)"),
            (
                ColumnType.ANY,
                "",
                "BLOB",
                "BLOB_NUMBER",
                "DATETIME",
                "DATE",
                "TIMESTAMP",
                "JSON",
                "UUID",
            ),
        ):
            self.assertEqual(self.types(*declared), [type] * len(declared))

    def test_generated(self) -> None:
        """
        A generated column is reported like any other.
        """
        self.run_("CREATE TABLE t (a INTEGER, b TEXT AS (a || 'x'), c REAL AS (a) STORED)")
        found = self.reader.journal.columns(self.reader.cursor, "t")
        number, text = ColumnType.NUMBER, ColumnType.TEXT
        self.assertEqual(found, {"a": number, "b": text, "c": number})

    def test_unknown(self) -> None:
        """
        A missing table has no columns.
        """
        error = self.assertRaises(
            RealtimeError, self.reader.journal.columns, self.reader.cursor, "t"
        )
        self.assertEqual(error.code, "unknown_table")

    def altered(self, *statements: str) -> frozenset[str]:
        """
        Run statements, and give the tables that are then reported as altered.
        """
        self.run_(*statements)
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 1000)
        self.reader.after = poll.after
        return poll.altered

    def test_altered(self) -> None:
        """
        A change of the schema reports the followed tables as altered, once, and before a row in
        the new shape; a change of rows does not.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.follow("u", "CREATE TABLE u (a)")
        self.assertEqual(self.altered("INSERT INTO t VALUES (1)"), frozenset())
        for statement in (
            "ALTER TABLE t ADD COLUMN b TEXT",
            "ALTER TABLE t RENAME COLUMN b TO c",
            "ALTER TABLE t DROP COLUMN c",
        ):
            both = self.altered(statement, "INSERT INTO t (a) VALUES (2)")
            self.assertEqual(both, {"t", "u"}, statement)
            self.assertEqual(self.altered(), frozenset())
        self.run_("DROP TABLE t", "CREATE TABLE t (a TEXT)")
        self.assertIn("t", self.altered())

    def test_ownChanges(self) -> None:
        """
        The daemon's own changes of the schema report no table as altered.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("CREATE TABLE u (a)")
        self.altered()
        self.reader.attach("u")
        self.assertEqual(self.altered(), frozenset())

    def test_alteredBeforeAttach(self) -> None:
        """
        They do not hide another program's change.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("ALTER TABLE t ADD COLUMN b")
        self.reader.attach("t")
        self.assertIn("t", self.altered())
