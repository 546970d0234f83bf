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

    @ivar seq: The change's number in its database's journal.  It grows in commit order, and no two
        changes have the same.
    @ivar table: The table's name as the database spells it.
    @ivar operation: L{INSERT}, L{UPDATE} or L{DELETE}.
    @ivar data: The row after the change; for a DELETE the deleted row.
    @ivar old: The row before the change; L{None} for an INSERT.
    @ivar timestamp: When the writer made the change, milliseconds since the epoch.
    @ivar transaction: The id of the change's transaction; L{None} if the database does not give
        one.
    @ivar last: Whether no later change of this table belongs to the same transaction.
    @ivar omitted: Columns whose values were too large to be sent.  Neither row has them, so that a
        filter on one of them lets no row through.
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
