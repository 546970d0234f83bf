"""
A journal whose objects other programs remove: L{aerostack.databases.postgres.following}.
"""

from __future__ import annotations

from aerostack.tracker.faults import NewerJournal
from tests.databases.postgres.keptcase import KeptCase
from tests.databases.support import lossOf
from tests.postgres import ADMIN, ROLE


class TamperTests(KeptCase):
    """
    A program removes objects of the daemon.
    """

    def names(self) -> list[str]:
        return [
            name
            for (name,) in self.writer.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass"
            ).fetchall()
        ]

    def test_trigger(self) -> None:
        """
        After a trigger was dropped, changes may be missing, and the trigger is created again.
        """
        for letter in "iudt":
            (name,) = (name for name in self.names() if name.endswith(letter))
            self.assertHealed(f'DROP TRIGGER "{name}" ON t')

    def test_switchedOff(self) -> None:
        """
        After triggers were switched off, also briefly, changes may be missing.
        """
        self.assertHealed("ALTER TABLE t DISABLE TRIGGER ALL")
        self.assertHealed(
            "ALTER TABLE t DISABLE TRIGGER USER",
            "INSERT INTO t VALUES (2)",
            "DELETE FROM t",
            "ALTER TABLE t ENABLE TRIGGER USER",
        )

    def test_function(self) -> None:
        """
        A changed or missing function is restored.
        """
        (name,) = self.writer.execute(
            "SELECT proname FROM pg_proc WHERE proname LIKE 'capture%'"
        ).fetchone()
        self.assertHealed(
            f"CREATE OR REPLACE FUNCTION _aerostack.{name}() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NULL; END'"
        )
        (name,) = self.writer.execute(
            "SELECT proname FROM pg_proc WHERE proname LIKE 'capture%'"
        ).fetchone()
        self.assertHealed(f"DROP FUNCTION _aerostack.{name} CASCADE")

    def test_tables(self) -> None:
        """
        A dropped table or function of the daemon is created again.
        """
        for name in ("captured", "changes", "tables", "shapes", "follows", "journal"):
            self.assertHealed(f"DROP TABLE _aerostack.{name} CASCADE")
        for name in ("sequence()", "prune(bigint, bigint)", "unsequenced()"):
            self.assertHealed(f"DROP FUNCTION _aerostack.{name}")
        self.assertHealed("DROP SEQUENCE _aerostack.readers")

    def test_schema(self) -> None:
        """
        The dropped schema is created again.
        """
        self.assertHealed("DROP SCHEMA _aerostack CASCADE")

    def test_emptied(self) -> None:
        """
        After the journal was emptied its numbers continue, and no change is reported twice.
        """
        self.run_("INSERT INTO t VALUES (7)", "DELETE FROM t")
        self.events()
        self.assertHealed("TRUNCATE _aerostack.changes")
        self.assertHealed("TRUNCATE _aerostack.changes, _aerostack.captured")

    def test_forgotten(self) -> None:
        """
        The emptied list of tables is filled again.
        """
        self.assertHealed("DELETE FROM _aerostack.tables")

    def test_removed(self) -> None:
        """
        Everything that was removed under a running daemon is created again.
        """
        other = self.connect(ROLE).cursor()
        type(self.reader.journal)().remove(other)
        self.assertHealed("SELECT 1")

    def test_attachHeals(self) -> None:
        """
        Attaching a table before the next poll restores the journal.
        """
        self.run_("CREATE TABLE u (a int)")
        self.database.execute("DROP TABLE _aerostack.changes CASCADE", user=ADMIN)
        self.reader.attach("u")
        (loss,) = self.events()
        self.assertEqual(lossOf(loss).table, "t")
        self.assertEqual([c.table for c in self.changes("INSERT INTO u VALUES (1)")], ["u"])

    def test_otherVersion(self) -> None:
        """
        The journal of a newer version is not changed, whatever objects it has.
        """
        self.database.execute("UPDATE _aerostack.journal SET version = 99", user=ADMIN)
        for statement in ("SELECT 1", "DROP TABLE _aerostack.changes CASCADE"):
            self.database.execute(statement, user=ADMIN)
            for name in ("prepare", "check"):
                refused = getattr(self.reader.journal, name)
                error = self.assertRaises(NewerJournal, refused, self.reader.cursor)
                self.assertIn("version 99, and this daemon knows", str(error))
            self.assertEqual(
                self.database.execute("SELECT version FROM _aerostack.journal", user=ADMIN), [(99,)]
            )

    def test_noJournal(self) -> None:
        """
        There is nothing to say against a database without a journal.
        """
        self.reader.journal.remove(self.reader.cursor)
        self.reader.journal.check(self.reader.cursor)
