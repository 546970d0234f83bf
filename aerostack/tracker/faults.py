"""
Describes faults of a database in words that clients may see.

A driver's own message may hold addresses, accounts and statements, so it goes to the log only.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.logger import LogEvent, LogLevel
from twisted.python.failure import Failure

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

# Finds the daemon's own table in the message about a table that does not exist.  SQLite's messages
# are English; those of PostgreSQL are in the server's language, with the name in them.
_LOST_SQLITE = re.compile(r"no such table: (?:main\.)?((?:_aerostack_|realtime_)\w+)")
_LOST_POSTGRES = re.compile(r"\b(_aerostack\.\w+)")
_UNDEFINED_TABLE = "42P01"

_LEVELS = list(LogLevel.iterconstants())

SILENT = "does not answer"

UNREACHED = "cannot be reached, or does not let the daemon in"

LOST = frozenset((_CLASSES["08"], _CLASSES["57"], UNREACHED))
"""What L{known} says of a server that is gone or restarts."""


def isLost(error: BaseException | None) -> bool:
    """
    Whether the database is gone or restarts.  L{aerostack.databases.outage.Outage} says so, once
    for all parts of the daemon.
    """
    return known(error) in LOST


class NewerJournal(Exception):
    """
    The journal was made by a newer version of the daemon, so this one must not touch it.
    """

    fault = "has a journal of table changes that a newer version of aerostack-rt has made"

    def __init__(self, found: int, known: int) -> None:
        """
        @param found: The version of the journal.
        @param known: The newest version that this daemon knows.
        """
        super().__init__(f"its journal has version {found}, and this daemon knows {known}")


def isLasting(error: BaseException) -> bool:
    """
    Whether a fault stays until an operator mends it.
    """
    return isinstance(error, NewerJournal) or getattr(error, "sqlstate", None) == "42501"


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
    name = getattr(error, "sqlite_errorname", None) or ""
    state = getattr(error, "sqlstate", None) or ""
    lost = (_LOST_POSTGRES if state == _UNDEFINED_TABLE else _LOST_SQLITE).search(str(error))
    if lost is not None:
        return f"has lost the table {lost[1]}; restart the daemon, which makes it again"
    kind = name.split("_")[1] if name.count("_") else ""
    found = _SQLITE.get(kind) or knownState(state)
    if found is None and not state and _isUnreachable(type(error)):
        found = UNREACHED
    return found or known(error.__cause__)


def knownState(state: str) -> str | None:
    """
    Describe a fault of PostgreSQL in words that fit after C{the database}.

    @param state: Its SQLSTATE.
    @return: L{None} if it is not a state of the database.
    """
    return _STATES.get(state) or _CLASSES.get(state[:2])


def stateOf(event: LogEvent) -> str | None:
    """
    The state of the database that an event of the log reports, if it is a state that has to be
    expected.
    """
    failure = event.get("log_failure")
    if not isinstance(failure, Failure):
        return None
    try:
        return known(failure.value)
    except Exception:
        # The error cannot be turned into text.  The event is logged as it came.
        return None


def levelOf(event: LogEvent) -> Any:
    """
    The level at which the log has an event.  A state of the database is no critical error of the
    daemon.
    """
    level = event.get("log_level")
    if level is LogLevel.critical:
        state = stateOf(event)
        if state in LOST:
            # The database's pool has said so, once for all parts of the daemon.
            return LogLevel.debug
        if state is not None:
            return LogLevel.error
    return level if level in _LEVELS else LogLevel.info


def _isUnreachable(kind: type[BaseException]) -> bool:
    return kind.__module__.split(".")[0] == "psycopg" and kind.__name__ in _UNREACHABLE


def describe(error: BaseException) -> str:
    """
    Describe a fault of a database in words that fit after C{the database}.
    """
    return known(error) or "cannot be used; the log says why"
