"""
Tests of L{aerostack.databases.sqlite.triggers} and L{aerostack.databases.sqlite.tables}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite import repair
from aerostack.databases.sqlite.expressions import indexPredicate
from aerostack.databases.sqlite.names import fold
from aerostack.databases.sqlite.tables import Column, Part, Table, describe
from aerostack.databases.sqlite.triggers import Trigger, buildTriggers, parseColumns, parseName
from aerostack.errors import RealtimeError
from tests.databases.support import JournalCase

NAMES = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=12
)


def makeTable(*names: str) -> Table:
    columns = tuple(Column(name, "", None, False, False) for name in names)
    return Table("t", columns, "rowid", (Part("rowid", ""),), False, (), ())


def update(triggers: list[Trigger]) -> str:
    """
    The text of the trigger from which the columns are read back.
    """
    (text,) = (trigger.sql for trigger in triggers if trigger.name.endswith("_bu"))
    return text


class TextTests(SynchronousTestCase):
    """
    The triggers' text, and reading it back.
    """

    @given(st.lists(NAMES, min_size=1, max_size=6, unique_by=fold))
    def test_columnsReadBack(self, names: list[str]) -> None:
        """
        Columns with any names are read back with their positions.
        """
        positions = [2 * i + 1 for i in range(len(names))]
        text = update(buildTriggers(7, makeTable(*names), positions, ()))
        self.assertEqual(parseColumns(text), dict(zip(positions, names, strict=True)))

    def test_columnNamedLikeOurText(self) -> None:
        """
        A column whose name looks like a part of the trigger is not mistaken for it.
        """
        names = ['(SELECT new."b")', "b", 'SELECT new.""x""', "'"]
        text = update(buildTriggers(1, makeTable(*names), range(4), ()))
        self.assertEqual(parseColumns(text), dict(enumerate(names)))

    def test_otherText(self) -> None:
        """
        A trigger that the daemon did not write has no columns.
        """
        self.assertEqual(parseColumns("CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT 1; END"), {})

    def test_names(self) -> None:
        """
        A trigger's name gives the table that it was made for.
        """
        names = [trigger.name for trigger in buildTriggers(12, makeTable("a"), [0], ())]
        self.assertEqual([parseName(name) for name in names], [12] * 7)
        for name in (
            "_aerostack_12",
            "_aerostack_cut",
            "_aerostack_x_au",
            "_aerostack_1_au2",
            "au",
        ):
            self.assertIsNone(parseName(name))

    def test_predicate(self) -> None:
        """
        The WHERE of a partial index is found behind names and comments that look like it.
        """
        for sql, predicate in (
            ("CREATE UNIQUE INDEX i ON t(a) WHERE b > 0", "b > 0"),
            ('CREATE UNIQUE INDEX "WHERE" ON t("x where y", [where]) where(b)', "(b)"),
            ("CREATE INDEX i ON t(a) /* WHERE no */ -- WHERE no\nWHERE b = ')' -- yes", None),
        ):
            expected = "b = ')' -- yes" if predicate is None else predicate
            self.assertEqual(indexPredicate(sql), expected + "\n")


class DescribeTests(JournalCase):
    """
    The tables that can be followed.
    """

    def assertRefused(self, table: str, code: str, *words: str) -> None:
        for ask in (
            lambda: describe(self.reader.cursor, table),
            lambda: self.reader.attach(table),
        ):
            error = self.assertRaises(RealtimeError, ask)
            self.assertEqual(error.code, code)
            for word in words:
                self.assertIn(word, error.message)

    def test_unknown(self) -> None:
        """
        The error for a missing table names it.
        """
        for name in ("nothing", "", "a\x00b", "x" * 1000, "main.t", "temp.t"):
            self.assertRefused(name, "unknown_table", repr(name))

    def test_temporary(self) -> None:
        """
        A temporary table is unknown.
        """
        self.reader.cursor.execute("CREATE TEMP TABLE mine (a)")
        self.assertRefused("mine", "unknown_table")

    def test_internal(self) -> None:
        """
        SQLite's tables and the daemon's own cannot be followed, in whatever case they are
        written.
        """
        self.run_("CREATE TABLE realtime_messages (a)")
        for name in ("sqlite_master", "SQLITE_schema", "_aerostack_changes", "Realtime_messages"):
            self.assertRefused(name, "table_not_allowed", repr(name))

    def test_noTable(self) -> None:
        """
        Views, virtual tables and their shadow tables cannot be followed, and the error says so.
        """
        self.run_("CREATE VIEW v AS SELECT 1", "CREATE VIRTUAL TABLE f USING fts5 (body)")
        self.assertRefused("v", "untrackable_table", "a view")
        self.assertRefused("f", "untrackable_table", "a virtual table")
        self.assertRefused("f_data", "untrackable_table", "a shadow table")

    def test_noRowid(self) -> None:
        """
        A table whose columns hide all names of its rowid cannot be followed.
        """
        self.run_("CREATE TABLE t (RowID, _rowid_, OID)")
        self.assertRefused("t", "untrackable_table", "rowid, _rowid_ and oid")

    def test_tooWide(self) -> None:
        """
        A table of more columns than the journal can hold twice cannot be followed.
        """
        self.run_(f"CREATE TABLE t ({', '.join(f'c{i}' for i in range(501))})")
        self.assertRefused("t", "untrackable_table", "501 columns")

    def test_brokenTable(self) -> None:
        """
        If the triggers would not compile, the table is refused and stays as it was.
        """
        self.run_("CREATE TABLE t (a UNIQUE, b)")
        self.patch(
            repair,
            "buildTriggers",
            lambda *args: [
                trigger.__class__(trigger.name, trigger.sql.replace("SELECT", "SELECT nonsense,"))
                for trigger in buildTriggers(*args)
            ],
        )
        before = self.schema()
        error = self.assertRaises(RealtimeError, self.reader.attach, "t")
        self.assertEqual(error.code, "untrackable_table")
        self.assertIn("nonsense", error.message)
        self.assertEqual(self.schema(), before)
        self.run_("INSERT INTO t VALUES (1, 2)")

    def test_unknownCollation(self) -> None:
        """
        A table with a collation that only its writers have can be followed.
        """
        self.writer.create_collation("backwards", lambda a, b: (a < b) - (a > b))
        self.follow("t", "CREATE TABLE t (a TEXT COLLATE backwards UNIQUE, b)")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES ('x', 1)", "REPLACE INTO t VALUES ('x', 2)"),
            [("INSERT", "x", 1), ("DELETE", "x", 1), ("INSERT", "x", 2)],
        )

    def test_noScan(self) -> None:
        """
        The triggers look rows up by an index: a write to a large table costs no more than one to
        a small one.
        """
        self.follow(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b, c)",
            "CREATE UNIQUE INDEX i ON t (b) WHERE c IS NULL",
            "WITH RECURSIVE s (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s WHERE x < 5000)"
            " INSERT INTO t SELECT x, x, x, NULL FROM s",
        )
        for statement in (
            "REPLACE INTO t VALUES (1, 2, 3, NULL)",
            "INSERT INTO t VALUES (6001, 6002, 6003, NULL)",
            "UPDATE OR REPLACE t SET id = 7, a = 8, b = 9 WHERE id = 10",
            "DELETE FROM t WHERE id = 20",
        ):
            self.assertLess(self.steps(statement), 3000)

    def steps(self, statement: str) -> int:
        """
        Count the steps of SQLite's virtual machine, in tens.
        """
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 10
            return 0

        self.writer.set_progress_handler(count, 10)
        self.writer.execute(statement)
        self.writer.set_progress_handler(None, 0)
        return steps

    def schema(self) -> list[tuple[str]]:
        return self.writer.execute("SELECT sql FROM sqlite_master").fetchall()
