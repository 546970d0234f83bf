"""
Noting how far an SQLite journal is, in a file outside of the database.
"""

from __future__ import annotations

import sqlite3

from twisted.logger import Logger

from aerostack.databases.health import RestoreNotice
from aerostack.databases.restored import Note, Noted, isRestored
from aerostack.databases.sqlite import ledger, schema
from aerostack.databases.sqlite.ledger import transaction

_RESTORED = (
    "The database was put back to an older state, or is a copy in another place. Clients that come"
    " back for changes of tables get a gap, and reload."
)


class NotedJournal:
    """
    A journal, and the note of how far it is.
    """

    log = Logger()

    def __init__(self, note: Note | None, restored: RestoreNotice) -> None:
        """
        @param note: The file; L{None} to note nothing.
        @param restored: Notes that the database was put back to an older state.
        """
        self._note = note
        self._restored = restored

    def write(self, cursor: sqlite3.Cursor) -> None:
        """
        Note how far a complete journal is.
        """
        if self._note is not None:
            self._note.write(_reach(cursor))

    def take(self, cursor: sqlite3.Cursor) -> bool:
        """
        Note how far a journal is, if its tables exist.

        @return: Whether it could be noted.
        """
        if self._note is None or not schema.isComplete(cursor):
            return False
        return self._note.write(_reach(cursor))

    def compare(self, cursor: sqlite3.Cursor) -> None:
        """
        Check whether the journal is the one that the note describes.
        """
        note = self._note
        if note is None:
            return
        if _isOther(cursor, note):
            # The positions that clients have belong to another history than this journal's.
            with transaction(cursor, "BEGIN IMMEDIATE"):
                # Another process may have been first.
                isOther = _isOther(cursor, note)
                if isOther:
                    ledger.beginEpoch(cursor)
                    self.take(cursor)
            if isOther:
                self._restored.note(_RESTORED)
                self.log.warn(
                    "the database was put back to an older state, or is a copy in another place:"
                    " its journal is not what {note} says, or that file is not there.  Clients that"
                    " come back for changes of tables get a gap, and reload",
                    note=note.path,
                )
        isNoted = self.take(cursor)
        if isNoted != ledger.isNoted(cursor):
            with transaction(cursor, "BEGIN IMMEDIATE"):
                ledger.setNoted(cursor, isNoted)

    def remove(self) -> None:
        """
        Delete the note.
        """
        if self._note is not None:
            self._note.remove()


def checkRestored(cursor: sqlite3.Cursor, note: Note, restored: RestoreNotice) -> None:
    """
    Check whether the database was put back to an older state, and change nothing.
    """
    if schema.isComplete(cursor) and schema.isOfThisVersion(cursor) and _isOther(cursor, note):
        restored.note(_RESTORED)


def _reach(cursor: sqlite3.Cursor) -> Noted:
    """How far the journal is."""
    return Noted(ledger.epoch(cursor), ledger.newest(cursor))


def _isOther(cursor: sqlite3.Cursor, note: Note) -> bool:
    """Whether the journal is a different one, or an earlier state of it, than the note says."""
    # Another process may write the note meanwhile, so the note is read first.
    noted = note.read()
    return isRestored(_reach(cursor), noted, ledger.isNoted(cursor))
