"""
What is said of a database that fails, to whoever wants to know.

What a driver says may hold addresses, accounts and statements.  That is for the log.
"""

from __future__ import annotations

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

# By the class of an SQLSTATE, its first two characters.
_SQLSTATE = {
    "08": "cannot be reached",
    "28": "does not let the daemon in",
    "53": "has no room or no connection left",
    "55": "is locked by another program",
    "57": "is stopping or starting",
}

SILENT = "does not answer"


def describe(error: BaseException) -> str:
    """
    Say what is wrong with a database, in words that fit after C{the database}.
    """
    fault: str | None = getattr(error, "fault", None)
    if fault is not None:
        # One of our own errors, which says it for everybody.
        return fault
    lost = str(error).partition("no such table: ")[2].removeprefix("main.")
    if lost.startswith(("_aerostack_", "realtime_")):
        return f"has lost the table {lost}; restart the daemon, which makes it again"
    name = getattr(error, "sqlite_errorname", None) or ""
    state = getattr(error, "sqlstate", None) or ""
    kind = name.split("_")[1] if name.count("_") else ""
    return _SQLITE.get(kind) or _SQLSTATE.get(state[:2]) or "cannot be used; the log says why"
