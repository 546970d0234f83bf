"""
What is said of a database that fails, to whoever wants to know.

What a driver says may hold addresses, accounts and statements.  That is for the log.
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

# By SQLSTATE, where that says more than its class does.
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

# What the driver for PostgreSQL says without a word of the server's: that it lost or did not get
# a connection.
_UNREACHABLE = ("OperationalError", "ConnectionTimeout", "InterfaceError")

# A table of ours in a statement that names one which is not there.
_LOST = re.compile(
    r"no such table: (?:main\.)?(?P<sqlite>(?:_aerostack_|realtime_)\w+)"
    r"|relation \"(?P<postgres>_aerostack\.\w+)\" does not exist"
)

SILENT = "does not answer"


def known(error: BaseException | None) -> str | None:
    """
    Say what is wrong with a database, in words that fit after C{the database}; L{None} for an
    error that is no state which a database may be in, but a mistake of somebody's.
    """
    if error is None:
        return None
    fault: str | None = getattr(error, "fault", None)
    if fault is not None:
        # One of our own errors, which says it for everybody.
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
    Say what is wrong with a database, in words that fit after C{the database}.
    """
    return known(error) or "cannot be used; the log says why"
