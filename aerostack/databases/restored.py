"""
Noticing that an SQLite database was put back to an earlier state.

A backup that is put in the place of the database has the journal of that time, which then goes
on with numbers that were given to other changes before.  So how far the journal came is also
noted in a file beside the database, which no backup brings with it; and the journal says that
there is such a file, so that a copy is noticed which somebody put in another place.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from twisted.logger import Logger

DIGITS = 19
"""How many digits a number is written with: as many as the largest of SQLite's has."""


class Noted(NamedTuple):
    """
    How far a journal was.

    @ivar epoch: What tells the journal from every other one.
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
        Read how far the journal was; L{None} where there is no such file, or it says nothing.
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

        @return: Whether that could be done.
        """
        if noted == self._written:
            return True
        # In its place, because it is written for every change that is told: what is as long as
        # before takes no room and a few microseconds.  One that is torn says nothing.
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
        Take the file away.
        """
        self.path.unlink(missing_ok=True)


def isRestored(now: Noted, noted: Noted | None, isNoted: bool) -> bool:
    """
    Tell whether a journal is not the one, or not as far, as it was.

    @param now: How far it is.
    @param noted: How far it was, by the file; L{None} where the file is not there.
    @param isNoted: Whether the journal says that there is such a file.
    """
    if noted is None:
        return isNoted
    return noted.epoch != now.epoch or noted.newest > now.newest
