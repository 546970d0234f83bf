"""
Adapts the triggers when the schema of a PostgreSQL database changes: a followed table was
altered, dropped, renamed or made again, got or lost a partition, or a program removed objects of
the daemon.

The functions enter what subscribers must hear among the captured changes, so that it is reported
in its place.  All functions except L{isCurrent} and L{signature} need a transaction on the
ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aerostack.databases.postgres import ledger
from aerostack.databases.postgres.catalog import SCHEMA, Table, describe
from aerostack.databases.postgres.ledger import TableRecord
from aerostack.databases.postgres.rows import Field, fieldsOf, isRewritten
from aerostack.databases.postgres.schema import FUNCTIONS, SEQUENCES, TABLES, functions
from aerostack.databases.postgres.triggers import RecordingOptions, buildEquipment
from aerostack.databases.postgres.unrecorded import countRows, hasUnrecorded
from aerostack.errors import RealtimeError

# Any change of a followed table's definition changes this text: rows of the catalogs get another
# C{xmin}.  The query also covers tables of the same names, because one may take another's place.
_SIGNATURE = f"""
SELECT coalesce(sum(hashtextextended(part, 0)), 0)::text FROM (
  SELECT concat_ws(' ', 'c', c.oid, c.xmin, n.nspname,
    has_schema_privilege(n.oid, 'USAGE'))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = ANY (%(members)s::oid[]) OR c.relname = ANY (%(names)s::text[])
  UNION ALL
  SELECT concat_ws(' ', 'a', attrelid, attnum, xmin) FROM pg_attribute
  WHERE attrelid = ANY (%(roots)s::oid[]) AND attnum > 0
  UNION ALL
  SELECT concat_ws(' ', 't', oid, xmin) FROM pg_trigger WHERE tgrelid = ANY (%(members)s::oid[])
  UNION ALL
  SELECT concat_ws(' ', 'i', inhrelid, inhparent, xmin) FROM pg_inherits
  WHERE inhparent = ANY (%(members)s::oid[]) OR inhrelid = ANY (%(roots)s::oid[])
  UNION ALL
  SELECT concat_ws(' ', 'x', indexrelid, xmin) FROM pg_index
  WHERE indrelid = ANY (%(members)s::oid[])
  UNION ALL
  SELECT concat_ws(' ', 's', oid, xmin) FROM pg_statistic_ext
  WHERE stxrelid = ANY (%(members)s::oid[])
  UNION ALL
  SELECT concat_ws(' ', 'p', oid, xmin) FROM pg_proc WHERE proname = ANY (%(functions)s::text[])
  UNION ALL
  SELECT concat_ws(' ', 'l', tid, xmin) FROM {SCHEMA}.tables
  UNION ALL
  SELECT concat_ws(' ', 'j', xmin) FROM {SCHEMA}.journal
) AS parts (part)
"""

Needs = Mapping[str, list[Any]]
"""The parameters of L{signature}."""


def needs(cursor: Any, records: Iterable[TableRecord]) -> Needs:
    """
    Give the objects that L{signature} must cover.
    """
    records = [record for record in records if record.ended is None]
    # The daemon's own objects too, because a program may remove them.
    names: set[str] = {*TABLES, *SEQUENCES}
    for record in records:
        names.add(record.name)
        names.update(record.name[i + 1 :] for i, c in enumerate(record.name) if c == ".")
    roots = [record.oid for record in records if record.oid is not None]
    return {
        "members": sorted({*roots, *(oid for record in records for oid in record.members)}),
        "roots": roots,
        "names": sorted(names),
        "functions": [
            *FUNCTIONS,
            *sorted(name for found in functions(cursor).values() for name in found),
        ],
    }


def signature(cursor: Any, needs: Needs) -> str:
    """
    Give a text that changes whenever a repair may be needed.
    """
    (text,) = cursor.execute(_SIGNATURE, needs).fetchone()
    return str(text)


def isCurrent(cursor: Any, record: TableRecord, options: RecordingOptions) -> bool:
    """
    Whether the triggers and the record of a table match its present definition.
    """
    table = _find(cursor, record.name)
    if table is None or record.missing:
        return table is None and record.missing
    return (
        table.oid == record.oid
        and record.marks == ledger.marks(cursor, record.tid, record.members)
        and _isShaped(record, table)
        and _equipmentOf(record, table, options).digest == record.wanted
    )


def repairTable(cursor: Any, record: TableRecord, options: RecordingOptions) -> None:
    """
    Repair the following of one table.
    """
    name = record.name
    try:
        table = describe(cursor, name)
    except RealtimeError as error:
        reason = error.message
        if error.code == "unknown_table":
            reason = (
                f"The table {name!r} was dropped or renamed; its changes are sent again once it"
                " is back."
            )
        lose(cursor, record, reason)
        return
    if record.oid is None:
        # It was followed, but the record of how is lost.
        _anew(cursor, record, table, options, unsure(name))
    elif record.missing:
        # The journal has already reported the loss.
        tid = _anew(cursor, record, table, options)
        _enterRebuilt(cursor, tid, table, name, options.rowLimit, silent=True)
    elif table.oid != record.oid:
        tid = _anew(cursor, record, table, options)
        _enterRebuilt(cursor, tid, table, name, options.rowLimit)
    elif record.marks != ledger.marks(cursor, record.tid, record.members) and not _lostMembers(
        record, table
    ):
        _anew(cursor, record, table, options, unsure(name))
    elif isRewritten(record.shapes[-1].fields, fieldsOf(table.columns)):
        reason = f"A column of the table {name!r} has another type now; reload it."
        _anew(cursor, record, table, options, reason)
    else:
        _reshape(cursor, record, table, options)


def lose(cursor: Any, record: TableRecord, reason: str) -> None:
    """
    Treat a table as if it did not exist, because it cannot be followed now.
    """
    if not record.missing:
        ledger.silence(cursor, record.tid)
        ledger.setMissing(cursor, record.tid)
        ledger.addLoss(cursor, record.tid, reason)


def begin(cursor: Any, table: Table, name: str, options: RecordingOptions) -> int:
    """
    Begin to follow a table.

    @param name: The name under which its changes are reported.
    @return: Its number.
    """
    tid = ledger.addTable(cursor, name, table.oid)
    ledger.addShape(cursor, tid, fieldsOf(table.columns))
    _equip(cursor, tid, table, table.isBusy, options)
    return tid


def follow(cursor: Any, table: Table, record: TableRecord | None, options: RecordingOptions) -> int:
    """
    Follow a table whose changes no subscriber of this run has seen yet.

    @param record: The record of a table of that name from an earlier run.
    @return: Its number.
    """
    if record is not None:
        if isCurrent(cursor, record, options):
            return record.tid
        isSame = (
            not record.missing
            and table.oid == record.oid
            and record.marks == ledger.marks(cursor, record.tid, record.members)
            and not isRewritten(record.shapes[-1].fields, fieldsOf(table.columns))
        )
        if isSame:
            _reshape(cursor, record, table, options)
            return record.tid
        giveUp(cursor, record)
    return begin(cursor, table, table.name, options)


def giveUp(cursor: Any, record: TableRecord) -> None:
    """
    Give a table up.  Its triggers do nothing from then on, and can be dropped when no other
    program locks the table.
    """
    ledger.end(cursor, record.tid)
    ledger.silence(cursor, record.tid)


def spare(cursor: Any) -> list[str]:
    """
    Give the names of functions whose triggers have no use any more.
    """
    records = {
        record.tid: record
        for record in ledger.records(cursor).values()
        if record.ended is None and not record.missing
    }
    found = []
    for tid, names in functions(cursor).items():
        record = records.get(tid)
        for name, oid in names.items():
            if record is None or (oid is not None and oid not in record.members):
                found.append(name)
    return found


def _find(cursor: Any, name: str) -> Table | None:
    try:
        return describe(cursor, name)
    except RealtimeError:
        return None


def unsure(name: str) -> str:
    """
    The message to subscribers when changes may have been missed.
    """
    return (
        f"Changes of the table {name!r} may be missing, because what records them was taken"
        " away or switched off; reload it."
    )


def _present(record: TableRecord, table: Table) -> tuple[Field, ...]:
    return fieldsOf(table.columns, record.shapes[-1].fields)


def _isShaped(record: TableRecord, table: Table) -> bool:
    return record.shapes[-1].fields == _present(record, table)


def _equipmentOf(record: TableRecord, table: Table, options: RecordingOptions) -> Any:
    return buildEquipment(record.tid, table, record.reserves or table.isBusy, options)


def _lostMembers(record: TableRecord, table: Table) -> frozenset[int]:
    """The partitions and inheritors that a table had and does not have any more."""
    return record.members - {member.oid for member in table.members}


def _anew(
    cursor: Any,
    record: TableRecord,
    table: Table,
    options: RecordingOptions,
    reason: str | None = None,
) -> int:
    """
    Follow a table under another number, because changes under one number must be complete.
    """
    giveUp(cursor, record)
    tid = begin(cursor, table, record.name, options)
    if reason is not None:
        ledger.addLoss(cursor, tid, reason)
    return tid


def _reshape(cursor: Any, record: TableRecord, table: Table, options: RecordingOptions) -> None:
    """
    Follow a table with its present columns and partitions.
    """
    if not _isShaped(record, table):
        ledger.addShape(cursor, record.tid, _present(record, table))
    added = [member for member in table.members if member.oid not in record.members]
    _equip(cursor, record.tid, table, record.reserves or table.isBusy, options)
    if _lostMembers(record, table):
        reason = (
            f"A part of the table {record.name!r} was taken from it, with the rows in it;"
            " reload it."
        )
        ledger.addLoss(cursor, record.tid, reason)
    elif any(
        member.hasRows and hasUnrecorded(cursor, record.tid, table, member) for member in added
    ):
        reason = f"The table {record.name!r} got another part, with rows in it; reload it."
        ledger.addLoss(cursor, record.tid, reason)


def _equip(cursor: Any, tid: int, table: Table, reserves: bool, options: RecordingOptions) -> None:
    """
    Create a table's missing triggers, and bring their functions up to date.
    """
    equipment = buildEquipment(tid, table, reserves, options)
    standing = ledger.triggers(cursor, tid)
    statements = [
        *equipment.functions.values(),
        *(t.sql for t in equipment.triggers if (t.relation, t.name) not in standing),
    ]
    # All statements go in one message, so that the tables are locked as briefly as possible.  The
    # driver cannot prepare several statements at once.
    cursor.execute("; ".join(statements), prepare=False)
    ledger.silence(cursor, tid, keep=equipment.functions)
    members = [member.oid for member in table.members]
    ledger.setEquipment(cursor, tid, members, reserves, equipment.digest)


def _enterRebuilt(
    cursor: Any, tid: int, table: Table, name: str, rowLimit: int, silent: bool = False
) -> None:
    """
    Enter that a table was made again, and its rows if they are few.

    @param silent: Enter no loss, unless the rows are many.
    """
    rows = countRows(cursor, table.oid, table.sql, rowLimit + 1)
    areFew = rows is not None and rows <= rowLimit
    if not areFew or not silent:
        count = (
            "rows" if rows is None else f"{rows} rows" if areFew else f"more than {rowLimit} rows"
        )
        ledger.addLoss(
            cursor,
            tid,
            f"The table {name!r} was made again with {count}, and changes may be missing;"
            " reload it.",
        )
    if rows and areFew:
        ledger.addRows(cursor, tid, table)
