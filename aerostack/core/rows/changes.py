"""
A row that changed, as plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INSERT = "INSERT"
UPDATE = "UPDATE"
DELETE = "DELETE"

Row = Mapping[str, Any]
"""Column names to values in their JSON form (see L{aerostack.protocol.values})."""


@dataclass(frozen=True)
class Change:
    """
    One committed change of one row.

    @ivar seq: The change's place in its database's journal; grows in commit
        order, is never used twice.
    @ivar table: The table's name as the database spells it.
    @ivar operation: L{INSERT}, L{UPDATE} or L{DELETE}.
    @ivar data: The row after the change; for a DELETE the row that went.
    @ivar old: The row before the change, L{None} for an INSERT.
    @ivar timestamp: When the writer made it, milliseconds since the epoch.
    @ivar transaction: What the changes of one transaction have in common, and no others;
        L{None} where the database does not tell.
    @ivar last: Whether everything up to here, as far as this table is concerned, was
        committed: no change that follows belongs to the same transaction.
    @ivar omitted: Columns whose values were too large to be told.  Neither row has them,
        so that a filter on one of them lets nothing through.
    """

    seq: int
    table: str
    operation: str
    data: Row
    old: Row | None
    timestamp: int
    transaction: str | None = None
    last: bool = False
    omitted: tuple[str, ...] = ()
