"""
What kinds PostgreSQL's errors are of.
"""

from __future__ import annotations

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_KINDS = {
    "23505": "unique_violation",
    "23503": "foreign_key_violation",
    "23502": "not_null_violation",
    "23514": "check_violation",
    "42501": "permission_denied",
    "42804": "invalid_value",
    "57014": "timeout",
    "55P03": "locked",
    # Such as VACUUM, which cannot run in a transaction.
    "25001": "not_allowed",
    **dict.fromkeys(("42601", "42000"), "syntax_error"),
    **dict.fromkeys(
        ("42P01", "42703", "42883", "42704", "42P02", "3F000", "3D000", "42P18"), "undefined"
    ),
}

_CLASSES = {
    "22": "invalid_value",
    "23": "constraint_violation",
    "40": "serialization_failure",
    "42": "syntax_error",
    "44": "check_violation",
    "P0": "raised",
}
"""By the first two characters."""


def kindOf(sqlstate: str) -> str:
    """
    Give the kind of an error: one of L{aerostack.errors.SQL_KINDS}.
    """
    return _KINDS.get(sqlstate) or _CLASSES.get(sqlstate[:2], "other")
