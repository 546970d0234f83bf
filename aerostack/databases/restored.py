"""
Notices that an SQLite database was put back to an earlier state.

The journal of a restored backup continues with numbers that other changes had before.  So the
daemon also notes the journal's newest number in a file beside the database, which no backup
contains.  The journal records that this file exists, so that the daemon notices a copy of the
database in another place.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from twisted.logger import Logger

DIGITS = 19
"""How many digits a number is written with: as many as SQLite's largest number has."""


class Noted(NamedTuple):
    """
    How far a journal was.

    @ivar epoch: Identifies the journal.
    @ivar newest: The number of its newest entry.
    """

    epoch: str
    newest: int


class Note:
    """
    The file beside the database.
    """

    log = Logger()

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + "-aerostack")
        self._written: Noted | None = None
        self._failed = False

    def read(self) -> Noted | None:
        """
        Read how far the journal was; L{None} where the file does not exist or is torn.
        """
        try:
            words = self.path.read_text("ascii", "replace").split()
        except OSError:
            return None
        if len(words) != 2 or not (words[1].isascii() and words[1].isdigit()):
            return None
        return Noted(words[0], int(words[1]))

    def write(self, noted: Noted) -> bool:
        """
        Note how far a journal is.

        @return: Whether the file could be written.
        """
        if noted == self._written:
            return True
        # The file is written in place, because it is written for every change that is delivered.
        # A text of the same length needs no new disk space and takes a few microseconds.  A torn
        # file counts as no file.
        text = f"{noted.epoch} {noted.newest:0{DIGITS}}\n"
        try:
            file = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o660)
            try:
                os.ftruncate(file, os.pwrite(file, text.encode("ascii"), 0))
            finally:
                os.close(file)
        except OSError as error:
            if not self._failed:
                self.log.warn(
                    "how far the journal is cannot be noted, so an older backup in its place"
                    " will not be noticed: {error}",
                    error=error,
                )
            self._failed = True
            return False
        self._written, self._failed = noted, False
        return True

    def remove(self) -> None:
        """
        Delete the file.
        """
        self.path.unlink(missing_ok=True)


def isRestored(now: Noted, noted: Noted | None, isNoted: bool) -> bool:
    """
    Whether a journal is a different one, or an earlier state of it, than before.

    @param now: How far it is.
    @param noted: How far it was by the file; L{None} where the file does not exist.
    @param isNoted: Whether the journal says that the file exists.
    """
    if noted is None:
        return isNoted
    return noted.epoch != now.epoch or noted.newest > now.newest
