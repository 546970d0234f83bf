"""
Databases that were put back to an earlier state: L{aerostack.databases.restored}.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.logger import capturedLogs

from aerostack.databases.restored import Note
from tests.databases.support import JournalCase


class RestoredTests(JournalCase):
    """
    An older copy in the place of a database.
    """

    def test_restored(self) -> None:
        """
        The daemon notices at its start that an older backup took the database's place: it answers
        earlier positions with a gap, also after the journal has grown past them.
        """
        note = Note(Path(self.path))
        reader = self.makeReader(note=note)
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        reader.attach("t")
        self.run_("INSERT INTO t VALUES (1)")
        reader.events()
        with closing(sqlite3.connect(f"{self.path}-backup")) as backup:
            self.writer.backup(backup)
        self.run_("INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)")
        reader.events()
        reader.journal.lag(reader.cursor)
        lineage = reader.journal.lineage(reader.cursor, "t")
        again = self.makeReader(note=Note(Path(self.path)))
        self.assertEqual(again.journal.lineage(again.cursor, "t"), lineage)
        with closing(sqlite3.connect(f"{self.path}-backup")) as backup:
            backup.backup(self.writer)
        restarted = self.makeReader(note=Note(Path(self.path)))
        restarted.attach("t")
        self.run_(*[f"INSERT INTO t VALUES ({number})" for number in range(4, 9)])
        restarted.events()
        survey = restarted.journal.surveyPast
        self.assertEqual(
            survey(restarted.cursor, "t", lineage, reader.after, restarted.after, 10), "expired"
        )
        restarted.journal.remove(restarted.cursor)
        self.assertFalse(note.path.exists())

    def startNoting(self) -> tuple[str, bool]:
        """
        Start like a daemon that notes how far the journal is.

        @return: The lineage of the table C{t}, and whether the log says that the database is an
            older one.
        """
        with capturedLogs() as logs:
            reader = self.makeReader(note=Note(Path(self.path)))
            reader.attach("t")
            self.run_("INSERT INTO t DEFAULT VALUES")
            reader.events()
            reader.journal.lag(reader.cursor)
        return reader.journal.lineage(reader.cursor, "t"), bool(logs)

    def copy(self) -> bytes:
        """
        Copy the database.
        """
        with closing(sqlite3.connect(":memory:")) as backup:
            self.writer.backup(backup)
            return backup.serialize()

    def putBack(self, copy: bytes) -> None:
        """
        Replace the database by a copy.
        """
        with closing(sqlite3.connect(":memory:")) as backup:
            backup.deserialize(copy)
            backup.backup(self.writer)

    def test_restoredAgain(self) -> None:
        """
        The same backup in a second restore, or the database from before the first, is noticed
        each time; a restart and a VACUUM are not.
        """
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        lineages, told = [self.startNoting()[0]], []
        copies = [self.copy()]
        for step in ("restart", "back", "restart", "back", "VACUUM", "new"):
            if step == "back":
                copies.append(self.copy())
                self.putBack(copies[0])
            elif step == "new":
                # The journal is further than it was before the first restore.
                self.run_(*["INSERT INTO t DEFAULT VALUES"] * 9)
                self.startNoting()
                self.putBack(copies[1])
            elif step == "VACUUM":
                self.run_(step)
            lineage, isTold = self.startNoting()
            told.append((step, isTold))
            self.assertEqual(lineage not in lineages, isTold, step)
            lineages.append(lineage)
        self.assertEqual([step for step, isTold in told if isTold], ["back", "back", "new"])

    def test_copied(self) -> None:
        """
        A copy in another place, without the file beside the database, may be an older one.  A
        database without any note is not one.
        """
        self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        lineage, isTold = self.startNoting()
        self.assertFalse(isTold)
        note = Note(Path(self.path))
        note.remove()
        other, isTold = self.startNoting()
        self.assertTrue(isTold and other != lineage)
        self.assertEqual(self.startNoting(), (other, False))
        self.patch(Note, "write", lambda *_: False)
        self.assertEqual(self.startNoting(), (other, False))
        note.remove()
        self.assertEqual(self.startNoting(), (other, False))

    def test_unnoted(self) -> None:
        """
        If no file can be written beside the database, the log says so once, and another program's
        file is not taken for a note.
        """
        note = Note(Path(self.mktemp()) / "nowhere")
        with capturedLogs() as logs:
            reader = self.makeReader(note=note)
            self.run_("CREATE TABLE t (id INTEGER PRIMARY KEY)")
            reader.attach("t")
            self.run_("INSERT INTO t VALUES (1)")
            reader.journal.lag(reader.cursor)
        self.assertEqual(len(logs), 1)
        note.path.parent.mkdir()
        for text in ("", "x", "x y", "x 7 8"):
            note.path.write_text(text)
            self.assertIsNone(note.read())
