"""
What SQLite's journal tells besides the rows: where transactions end, and what columns there
are.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import ColumnType
from aerostack.errors import RealtimeError
from tests.databases.support import JournalCase


class TransactionTests(JournalCase):
    """
    What is told of where transactions end.
    """

    def ends(self, limit: int = 1000) -> list[tuple[str, Any, bool]]:
        """
        What is told: the table, the value, and whether it is a last change.
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
        Each table's last change of what there is to read is marked.
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
        A transaction that is read in steps is marked where it ends, and nowhere else, also
        where the end of a step is its end.
        """
        tables = "uttttttuttttt"
        statements = [f"INSERT INTO {t} VALUES ({n})" for n, t in enumerate(tables)]
        expected = [(t, n, n in (7, 12)) for n, t in enumerate(tables)]
        for limit in (1, 2, 3, 4, 6, 7, 8, 12, 13, 14):
            self.run_("BEGIN", *statements, "COMMIT")
            self.assertEqual(self.ends(limit), expected, limit)


class ColumnTests(JournalCase):
    """
    What is told of tables' columns.
    """

    def types(self, *declared: str) -> list[ColumnType]:
        columns = ", ".join(f'"c{n}" {kind}' for n, kind in enumerate(declared))
        self.run_("DROP TABLE IF EXISTS t", f"CREATE TABLE t ({columns})")
        found = self.reader.journal.columns(self.reader.cursor, "T")
        self.assertEqual(list(found), [f"c{n}" for n in range(len(declared))])
        return list(found.values())

    def test_types(self) -> None:
        """
        What a column's values are compared as goes by its affinity; what SQLite takes for
        numeric because it does not know it may be anything.
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
        A generated column is told like any other.
        """
        self.run_("CREATE TABLE t (a INTEGER, b TEXT AS (a || 'x'), c REAL AS (a) STORED)")
        found = self.reader.journal.columns(self.reader.cursor, "t")
        number, text = ColumnType.NUMBER, ColumnType.TEXT
        self.assertEqual(found, {"a": number, "b": text, "c": number})

    def test_unknown(self) -> None:
        """
        A table that is not there has none.
        """
        error = self.assertRaises(
            RealtimeError, self.reader.journal.columns, self.reader.cursor, "t"
        )
        self.assertEqual(error.code, "unknown_table")

    def altered(self, *statements: str) -> frozenset[str]:
        """
        Run statements, and give which tables are then said to be altered.
        """
        self.run_(*statements)
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 1000)
        self.reader.after = poll.after
        return poll.altered

    def test_altered(self) -> None:
        """
        What changes the schema is said to have altered the tables that are followed, once,
        and before a row is told in the new shape; what changes rows is not.
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
        What the daemon itself puts into the schema alters nobody's table.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("CREATE TABLE u (a)")
        self.altered()
        self.reader.attach("u")
        self.assertEqual(self.altered(), frozenset())

    def test_alteredBeforeAttach(self) -> None:
        """
        Nor does it hide that somebody else did.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("ALTER TABLE t ADD COLUMN b")
        self.reader.attach("t")
        self.assertIn("t", self.altered())
