"""
What distinguishes a database from every other.
"""

from __future__ import annotations

from typing import Any

from psycopg.errors import InsufficientPrivilege

from aerostack.databases.dialect import Dialect

_DATABASE = "SELECT oid::text FROM pg_database WHERE datname = current_database()"
_CLUSTER = "SELECT system_identifier::text FROM pg_control_system()"


def identify(cursor: Any, dialect: Dialect) -> str:
    """
    Give the number of the server's data, and that of the database there.  A server that hides the
    first has only the second.
    """
    (database,) = cursor.execute(_DATABASE).fetchone()
    try:
        (cluster,) = cursor.execute(_CLUSTER).fetchone()
    except InsufficientPrivilege:
        return f":{database}"
    return f"{cluster}:{database}"
