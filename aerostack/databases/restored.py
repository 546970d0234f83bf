"""
Noticing that an SQLite database was put back to an earlier state.

A backup that is put in the place of the database has the journal of that time, which then goes
on with numbers that were given to other changes before.  So how far the journal came is also
noted in a file beside the database, which no backup brings with it.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import Logger


class Note:
    """
    The file beside the database.
    """

    log = Logger()

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + "-aerostack")
        self._noted: tuple[str, int] | None = None
        self._failed = False

    def isAhead(self, epoch: str, newest: int) -> bool:
        """
        Tell whether a journal was further on than it is now.

        @param epoch: What tells the journal from every other one.
        @param newest: The number of its newest entry.
        """
        try:
            noted = self.path.read_text("ascii", "replace").split()
        except OSError:
            return False
        return (
            len(noted) == 2 and noted[0] == epoch and noted[1].isdigit() and int(noted[1]) > newest
        )

    def write(self, epoch: str, newest: int) -> None:
        """
        Note how far a journal is.
        """
        if (epoch, newest) == self._noted:
            return
        aside = self.path.with_name(self.path.name + "~")
        try:
            with open(os.open(aside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o660), "w") as file:
                file.write(f"{epoch} {newest}\n")
            aside.replace(self.path)
        except OSError as error:
            if not self._failed:
                self.log.warn(
                    "how far the journal is cannot be noted, so an older backup in its place"
                    " will not be noticed: {error}",
                    error=error,
                )
            self._failed = True
        else:
            self._noted, self._failed = (epoch, newest), False

    def remove(self) -> None:
        """
        Take the file away.
        """
        self.path.unlink(missing_ok=True)
