"""
The settings of the daemon's PostgreSQL sessions, which override those of the server and the role.

A role that may create objects in a schema of the search path could make the daemon's statements
find its own operator or function, which would run with the daemon's rights.  So the daemon's
sessions search only the server's own schema.  The role's search path is remembered, because it
decides which table a name means.
"""

from __future__ import annotations

from collections.abc import Mapping

PATH = "_aerostack.path"
"""The setting that remembers the role's search path."""

SEARCH_PATH = "pg_catalog, pg_temp"

FORMATS: Mapping[str, str] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
}
"""The settings that decide how values are written."""

SETTINGS: Mapping[str, str] = {
    **FORMATS,
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    # With this level, statements after a lock see what was committed before the lock was granted.
    "default_transaction_isolation": "read committed",
    # The server releases the locks of a client that disappeared without a word.
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""The settings of every session of the daemon."""

CONFINED: Mapping[str, str] = {
    "search_path": SEARCH_PATH,
    # A row security policy is code of other roles: a query that it applies to fails instead.
    "row_security": "off",
}
"""The settings of a session in which all statements are the daemon's."""


SCHEMA = "_aerostack"
"""Everything that the daemon puts into a database is in this schema."""

READABLE = f"""
DO $$
DECLARE
  _kind text;
  _name text;
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = '{SCHEMA}'
    AND pg_catalog.pg_has_role(nspowner, 'USAGE')
    AND NOT pg_catalog.has_schema_privilege('pg_database_owner', oid, 'USAGE'))
  THEN
    GRANT USAGE ON SCHEMA {SCHEMA} TO pg_database_owner;
  END IF;
  FOR _kind, _name IN
    SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass::text
    FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.to_regnamespace('{SCHEMA}')
      AND relkind IN ('r', 'S') AND pg_catalog.pg_has_role(relowner, 'USAGE')
      AND NOT CASE relkind
        WHEN 'S' THEN pg_catalog.has_sequence_privilege('pg_database_owner', oid, 'SELECT')
        ELSE pg_catalog.has_table_privilege('pg_database_owner', oid, 'SELECT') END
  LOOP
    EXECUTE pg_catalog.format('GRANT SELECT ON %s %s TO pg_database_owner', _kind, _name);
  END LOOP;
END $$
"""
"""Lets the owner of the database read the daemon's tables: otherwise C{pg_dump} would fail."""


def settingsSQL(settings: Mapping[str, str], confined: bool = True) -> str:
    """
    Make the statement that gives a session its settings.

    @param settings: More settings besides L{SETTINGS}.
    @param confined: Whether all statements of the session are the daemon's.
    """
    calls = []
    if confined:
        path = (
            f"coalesce(pg_catalog.current_setting('{PATH}', true),"
            " pg_catalog.current_setting('search_path'))"
        )
        calls.append(f"pg_catalog.set_config('{PATH}', {path}, false)")
    for name, value in {**SETTINGS, **(CONFINED if confined else {}), **settings}.items():
        calls.append(f"pg_catalog.set_config('{name}', '{value}', false)")
    return f"SELECT {', '.join(calls)}"
