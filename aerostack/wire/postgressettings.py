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
