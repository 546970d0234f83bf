"""
What kinds SQLite's errors are of.
"""

from __future__ import annotations

import re
import sqlite3

_KINDS = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: "unique_violation",
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: "unique_violation",
    sqlite3.SQLITE_CONSTRAINT_ROWID: "unique_violation",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "foreign_key_violation",
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: "not_null_violation",
    sqlite3.SQLITE_CONSTRAINT_CHECK: "check_violation",
    # RAISE(ABORT, ...) in a trigger.
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: "raised",
}
"""By extended result codes (https://sqlite.org/rescode.html)."""

_FAMILIES = {
    sqlite3.SQLITE_CONSTRAINT: "constraint_violation",
    sqlite3.SQLITE_MISMATCH: "invalid_value",
    sqlite3.SQLITE_READONLY: "permission_denied",
    sqlite3.SQLITE_PERM: "permission_denied",
}
"""By the codes that the extended ones belong to."""

# SQLite has one code for all of these.
_SAID = (
    (re.compile(r"syntax error|incomplete input|unrecognized token"), "syntax_error"),
    (re.compile(r"no such |has no column named|wrong number of arguments"), "undefined"),
    (re.compile(r"columns but \d+ values|values for \d+ columns|ambiguous|misuse"), "syntax_error"),
    (re.compile(r"malformed JSON|JSON path|integer overflow|datatype mismatch"), "invalid_value"),
)


def kindOf(error: Exception) -> str:
    """
    Give the kind of an error: one of L{aerostack.errors.SQL_KINDS}.

    @param error: One of SQLite's module.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return _kindOfModule(error)
    kind = _KINDS.get(code) or _FAMILIES.get(code & 0xFF)
    if kind is not None:
        return kind
    said = str(error)
    return next((kind for pattern, kind in _SAID if pattern.search(said)), "other")


def _kindOfModule(error: Exception) -> str:
    """The kind of an error that the module finds before SQLite has the statement."""
    if isinstance(error, OverflowError):
        return "invalid_value"
    said = str(error)
    if "bindings" in said or "binding parameter" in said or "binding value" in said:
        return "invalid_parameters"
    return "syntax_error" if "one statement" in said else "other"
