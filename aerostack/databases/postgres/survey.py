"""
Finds what a PostgreSQL database has of the daemon.
"""

from __future__ import annotations

from typing import Any

from aerostack.databases.holdings import Holding, emitted, tables
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.emitrows import EMITTED
from aerostack.databases.postgres.emitsql import PUBLIC
from aerostack.databases.postgres.schema import triggerNames
from aerostack.databases.postgres.settings import SCHEMA


def survey(cursor: Any) -> list[Holding]:
    """
    Find every object of the daemon, and change nothing.
    """
    kept = tables(cursor, POSTGRES)
    names = {each.name for each in kept}
    found = [Holding(name) for name in triggerNames(cursor)]
    for name, isTable in cursor.execute(
        "SELECT n.nspname || '.' || c.relname, c.relkind = 'r' FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind IN ('r', 'v', 'S') AND NOT EXISTS"
        # The sequence of a column goes with its table.
        " (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
        " AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass) ORDER BY 1",
        (SCHEMA,),
    ).fetchall():
        if name not in names:
            isEvents = isTable and name == EMITTED
            found.append(emitted(cursor, EMITTED) if isEvents else Holding(name))
    for schema, functions in cursor.execute(
        "SELECT n.nspname, count(p.oid) FROM pg_namespace n"
        " LEFT JOIN pg_proc p ON p.pronamespace = n.oid"
        " WHERE n.nspname IN (%s, %s) GROUP BY 1 ORDER BY 1",
        (SCHEMA, PUBLIC),
    ).fetchall():
        if functions:
            found.append(Holding(f"the functions in {schema}"))
        # The kept tables stand in this one.
        found.append(Holding(f"the schema {schema}", isHistory=bool(kept) and schema == SCHEMA))
    return [*found, *kept]


def daemons(cursor: Any) -> list[str]:
    """
    Find the connections of daemons that use the database now, a clause for each.
    """
    return [
        f"the database has the connection {name!r} from {address or 'the machine of the database'}"
        for name, address in cursor.execute(
            "SELECT application_name, host(client_addr) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND application_name LIKE 'aerostack-rt %%' AND application_name <> %s ORDER BY 1",
            ("aerostack-rt detach",),
        ).fetchall()
    ]
