"""
Every value that a row may hold: L{aerostack.databases.sqlite.journal}.
"""

from __future__ import annotations

from typing import ClassVar

from aerostack.core.rows.changes import DELETE, INSERT
from tests.databases.support import JournalCase


class FormTests(JournalCase):
    """
    The values and names that changes can have.
    """

    def roundtrip(self, expression: str) -> object:
        self.run_(f"INSERT INTO t VALUES ({expression})")
        (change,) = self.changes()
        return change.data["a"]

    def test_values(self) -> None:
        """
        Each kind of value has its documented JSON form.
        """
        self.follow("t", "CREATE TABLE t (a)")
        for expression, expected in (
            ("NULL", None),
            ("0", 0),
            ("9007199254740991", 2**53 - 1),
            ("9007199254740993", "9007199254740993"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1.5", 1.5),
            ("9e999", "Infinity"),
            ("-9e999", "-Infinity"),
            ("''", ""),
            ("x''", {"base64": ""}),
            ("x'00FF80'", {"base64": "AP+A"}),
            ("'a' || char(0) || 'b'", "a\x00b"),
            (
                "char(0x10FFFF, 0x1F600, 0xFFFD, 0x301, 0x2028)",
                "\U0010ffff\U0001f600\ufffd\u0301\u2028",
            ),
            ("CAST(x'61FF62' AS TEXT)", "a\ufffdb"),
        ):
            self.assertEqual(self.roundtrip(expression), expected, expression)

    def test_affinity(self) -> None:
        """
        A value is reported as the table stores it, not as it was written.
        """
        self.follow("t", "CREATE TABLE t (i INTEGER, s TEXT, r REAL, n NUMERIC, a)")
        (row,) = self.inserted("INSERT INTO t VALUES ('1', 2, 3, '4.0', '5')")
        self.assertEqual(repr(row), "{'i': 1, 's': '2', 'r': 3.0, 'n': 4, 'a': '5'}")

    def test_generated(self) -> None:
        """
        Generated columns are part of the row.
        """
        self.follow("t", "CREATE TABLE t (a, b AS (a * 2), c AS (a * 3) STORED)")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1)", "UPDATE t SET a = 2"),
            [("INSERT", 1, 2, 3), ("UPDATE", 2, 4, 6)],
        )

    NAMES: ClassVar = [
        "we\"ir'd",
        "two words",
        "größe 😀",
        "select",
        "rowid",
        "new",
        "old",
        "t",
        "k",
        "c0",
    ]

    def test_oddNames(self) -> None:
        """
        Tables and columns may have any name.
        """
        for name in self.NAMES:
            quoted = '"' + name.replace('"', '""') + '"'
            columns = ", ".join('"' + n.replace('"', '""') + '"' for n in self.NAMES)
            self.run_(f'CREATE TABLE {quoted} ({columns}, UNIQUE ("rowid"))')
            self.assertEqual(self.reader.attach(name), name)
            values = ", ".join(map(str, range(len(self.NAMES))))
            insert, delete, again, update = self.changes(
                f"INSERT INTO {quoted} VALUES ({values})",
                f"REPLACE INTO {quoted} VALUES ({values})",
                f'UPDATE {quoted} SET "select" = 30',
            )
            expected = {n: i for i, n in enumerate(self.NAMES)}
            self.assertEqual((insert.table, insert.data), (name, expected))
            self.assertEqual((delete.operation, delete.data), (DELETE, expected))
            self.assertEqual((again.operation, update.data), (INSERT, expected | {"select": 30}))

    def test_wide(self) -> None:
        """
        Tables of 200 columns, and of the highest allowed number, are reported whole.
        """
        for count in (200, 500):
            columns = [f"c{i}" for i in range(count)]
            self.follow(f"t{count}", f"CREATE TABLE t{count} ({', '.join(columns)})")
            values = ", ".join(str(i) for i in range(count))
            self.run_(f"INSERT INTO t{count} VALUES ({values})", f"UPDATE t{count} SET c7 = 'x'")
            insert, update = self.changes(f"REPLACE INTO t{count} (rowid) SELECT NULL WHERE 0")
            self.assertEqual(insert.data, {c: i for i, c in enumerate(columns)})
            self.assertEqual(update.data, {**insert.data, "c7": "x"})
            self.assertEqual(update.old, insert.data)

    def test_manyTables(self) -> None:
        """
        A hundred tables are followed at once.
        """
        for i in range(100):
            self.run_(f"CREATE TABLE t{i} (a)")
            self.reader.attach(f"t{i}")
        changes = self.changes(*[f"INSERT INTO t{i} VALUES ({i})" for i in range(100)])
        self.assertEqual(
            [(c.table, c.data["a"]) for c in changes], [(f"t{i}", i) for i in range(100)]
        )

    def test_encodings(self) -> None:
        """
        A UTF-16 database is reported like any other.
        """
        self.path = self.mktemp()
        self.writer = self.connect()
        self.run_("PRAGMA encoding = 'UTF-16be'", 'CREATE TABLE "größe" (ä TEXT UNIQUE)')
        self.reader = self.makeReader()
        self.reader.attach("größe")
        self.assertEqual(
            self.summary("INSERT INTO größe VALUES ('😀')", "REPLACE INTO größe VALUES ('😀')"),
            [("INSERT", "😀"), ("DELETE", "😀"), ("INSERT", "😀")],
        )

    def test_journalModes(self) -> None:
        """
        Changes are reported in each of SQLite's journal modes.
        """
        self.follow("t", "CREATE TABLE t (a)")
        for number, mode in enumerate(("wal", "delete", "truncate", "memory")):
            self.reader.connection.close()
            got = self.writer.execute(f"PRAGMA journal_mode = {mode}").fetchone()
            self.assertEqual(got, (mode,))
            self.reader = self.makeReader()
            self.reader.attach("t")
            self.assertEqual(self.summary(f"INSERT INTO t VALUES ({number})"), [("INSERT", number)])
