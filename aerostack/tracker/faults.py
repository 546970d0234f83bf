"""
Describes faults of a database in words that clients may see.

A driver's own message may hold addresses, accounts and statements, so it goes to the log only.
"""

from __future__ import annotations

import re

# By the part of an SQLite result code's name that says what kind it is: SQLITE_BUSY,
# SQLITE_IOERR_READ, ...
_SQLITE = {
    "BUSY": "is locked by another program",
    "LOCKED": "is locked by another program",
    "FULL": "has no room left on its disk",
    "IOERR": "cannot be read from its disk",
    "CANTOPEN": "cannot be opened",
    "READONLY": "cannot be written to",
    "PERM": "cannot be opened",
    "CORRUPT": "is damaged",
    "NOTADB": "is damaged",
    "GONE": "is not the file any more that was opened: restart the daemon",
}

# By SQLSTATE, where the state is more exact than its class.
_STATES = {
    "25006": "takes no writes: it is a standby or read only",
    "3D000": "is not there under its name",
    "40001": "could not put a transaction in order with another program's",
    "40P01": "broke off a deadlock with another program",
    "42501": "does not allow the daemon's role what it needs; docs/database.rst says what to grant",
    "53100": "has no room left on its disk",
    "53200": "has no memory left",
    "53300": "has no connection left",
    "57014": "took too long for a statement",
}

# By the class of an SQLSTATE, its first two characters.
_CLASSES = {
    "08": "cannot be reached",
    "28": "does not let the daemon in",
    "53": "has no room left",
    "55": "is locked by another program",
    "57": "is stopping or starting",
    "58": "cannot be read from its disk",
}

# The errors that the PostgreSQL driver raises without a message of the server: it lost its
# connection, or did not get one.
_UNREACHABLE = ("OperationalError", "ConnectionTimeout", "InterfaceError")

# Finds the daemon's own table in the message about a table that does not exist.
_LOST = re.compile(
    r"no such table: (?:main\.)?(?P<sqlite>(?:_aerostack_|realtime_)\w+)"
    r"|relation \"(?P<postgres>_aerostack\.\w+)\" does not exist"
)

SILENT = "does not answer"


def known(error: BaseException | None) -> str | None:
    """
    Describe a fault of a database in words that fit after C{the database}.

    @return: L{None} for an error that is not a state of the database but a programming error.
    """
    if error is None:
        return None
    fault: str | None = getattr(error, "fault", None)
    if fault is not None:
        # The daemon's own errors carry their description.
        return fault
    lost = _LOST.search(str(error))
    if lost is not None:
        table = lost["sqlite"] or lost["postgres"]
        return f"has lost the table {table}; restart the daemon, which makes it again"
    name = getattr(error, "sqlite_errorname", None) or ""
    state = getattr(error, "sqlstate", None) or ""
    kind = name.split("_")[1] if name.count("_") else ""
    found = _SQLITE.get(kind) or _STATES.get(state) or _CLASSES.get(state[:2])
    if found is None and not state and _isUnreachable(type(error)):
        found = "cannot be reached, or does not let the daemon in"
    return found or known(error.__cause__)


def _isUnreachable(kind: type[BaseException]) -> bool:
    return kind.__module__.split(".")[0] == "psycopg" and kind.__name__ in _UNREACHABLE


def describe(error: BaseException) -> str:
    """
    Describe a fault of a database in words that fit after C{the database}.
    """
    return known(error) or "cannot be used; the log says why"
