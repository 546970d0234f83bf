"""
How a session of PostgreSQL's is to behave, whatever its configuration and its role say.

Whoever may make things in a schema of the search path could have statements of ours find an
operator or a function of theirs, which would run with our rights.  So our sessions search
the server's own schema alone; what the role's path was stays known, because it says which
table a name means.
"""

from __future__ import annotations

from collections.abc import Mapping

PATH = "_aerostack.path"
"""The setting in which the role's search path stays known."""

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
"""The settings by which values are written."""

SETTINGS: Mapping[str, str] = {
    **FORMATS,
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    # The locks that exclude others are had before it is seen what they did.
    "default_transaction_isolation": "read committed",
    # The server lets go of the locks of somebody who has gone without a word.
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""The settings of every session of ours."""

CONFINED: Mapping[str, str] = {
    "search_path": SEARCH_PATH,
    # A policy is code of others': what it would be asked for fails instead.
    "row_security": "off",
}
"""The settings of a session in which all statements are ours."""


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
"""Lets the owner of the database read what is ours: without that C{pg_dump} would fail."""


def settingsSQL(settings: Mapping[str, str], confined: bool = True) -> str:
    """
    A statement that gives a session its settings.

    @param settings: More than L{SETTINGS}.
    @param confined: Whether all statements of the session are ours.
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
