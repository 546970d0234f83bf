"""
The rows of the events that transactions of a PostgreSQL database emit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aerostack.core.replay.publications import EmittedMark
from aerostack.databases.postgres.settings import SCHEMA

EMITTED = f"{SCHEMA}.emitted"
"""The table of the events."""

PLACES = f"{SCHEMA}.emitted_places"
"""The table of the places of their transactions in the order of the commits."""

KEYS = f"{SCHEMA}.emitted_keys"
"""
The table of the keys of events on keyed topics.

They are no column of the events, so that a daemon can begin to have them while transactions that
emit are open.
"""

# A transaction's place goes with its last event.
_TAKE = f"""
WITH gone AS (
  DELETE FROM {EMITTED} WHERE id = ANY (%(ids)s::bigint[]) RETURNING id, key, xid
), keys AS (
  DELETE FROM {KEYS} AS k USING gone AS g WHERE k.id = g.id
), places AS (
  DELETE FROM {PLACES} AS p USING (SELECT DISTINCT xid FROM gone) AS g
  WHERE p.xid = g.xid AND NOT EXISTS
    (SELECT FROM {EMITTED} AS e WHERE e.xid = g.xid AND e.id <> ALL (%(ids)s::bigint[]))
)
SELECT key FROM gone
"""


def takeEmitted(cursor: Any, marks: Sequence[EmittedMark]) -> set[str]:
    """
    Delete rows of events with one statement, inside of a transaction or as one.

    @param marks: At least one.
    @return: The keys of the rows that were there.
    """
    rows = cursor.execute(_TAKE, {"ids": [mark.number for mark in marks]}).fetchall()
    return {key for (key,) in rows}
