"""
Which column of a followed table stands where in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aerostack.databases.sqlite import ledger
from aerostack.databases.sqlite.installed import InstalledTrigger
from aerostack.databases.sqlite.ledger import Place, TableRecord
from aerostack.databases.sqlite.names import fold
from aerostack.databases.sqlite.tables import Table
from aerostack.databases.sqlite.triggers import isWhole, parseColumns


def findPlaces(
    record: TableRecord, installed: Sequence[InstalledTrigger], table: Table
) -> list[Place] | None:
    """
    Find the columns' present names in the triggers, which SQLite rewrites when a column is renamed.

    @return: The places with these names, in the order of the record; L{None} if the triggers do
        not show the names, because the table was made again or a program dropped some triggers.
    """
    texts = {s.name.rpartition("_")[2]: s.sql for s in installed}
    if not isWhole(texts):
        return None
    if any(
        fold(s.table) != fold(table.name) or "INTO _aerostack_changes" not in s.sql
        for s in installed
    ):
        return None
    names = parseColumns(texts["bu"])
    present = {fold(column.name): column.name for column in table.columns}
    recorded = {place.position for place in record.places if place.name is not None}
    if names.keys() != recorded:
        return None
    # A renamed column may have taken a dropped column's name.  SQLite rewrote only the reference
    # of the renamed one, so that one has the first claim.
    claims: dict[str, int] = {}
    for renamed in (True, False):
        for place in record.places:
            if place.name is not None:
                name = names[place.position]
                if (fold(name) != fold(place.name)) is renamed and fold(name) in present:
                    claims.setdefault(fold(name), place.position)
    owners = {position: present[name] for name, position in claims.items()}
    placed = [replace(place, name=owners.get(place.position)) for place in record.places]
    if len(placed) + len(present.keys() - claims.keys()) > ledger.MAX_POSITIONS:
        # So many columns came and went that the journal has no column left.
        return None
    return placed


def positions(table: Table, placed: Sequence[Place]) -> list[int]:
    """
    Give the positions of a table's columns in the journal, in the order of the columns.
    """
    by = {place.name: place.position for place in placed}
    return [by[column.name] for column in table.columns]
