"""
Following the schema of a PostgreSQL database: what is to be done when a table that we
follow was altered, dropped, renamed or made again, got or lost a partition, or when
somebody took away what is ours.

Whatever subscribers are to hear of it is entered where the triggers enter changes, so that
it is told in its place among them.  All functions but L{isCurrent} and L{signature} are
called within a transaction on the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aerostack.databases.postgres import ledger
from aerostack.databases.postgres.catalog import SCHEMA, Table, describe
from aerostack.databases.postgres.ledger import Record
from aerostack.databases.postgres.rows import Field, fieldsOf, isRewritten
from aerostack.databases.postgres.schema import FUNCTIONS, SEQUENCES, TABLES, functions
from aerostack.databases.postgres.triggers import Manner, buildEquipment
from aerostack.errors import RealtimeError

# What any change of a followed table's looks changes: rows of the catalogs get another
# C{xmin}.  Tables of the same names are looked at too, because one may take another's place.
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
"""What L{signature} is asked of."""


def needs(cursor: Any, records: Iterable[Record]) -> Needs:
    """
    Tell what to look at, to notice that something is to be done.
    """
    records = [record for record in records if record.ended is None]
    # Ours too: somebody may take them away.
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
    Give what changes whenever something may have to be done.
    """
    (text,) = cursor.execute(_SIGNATURE, needs).fetchone()
    return str(text)


def isCurrent(cursor: Any, record: Record, manner: Manner) -> bool:
    """
    Tell whether a table is followed as it should be.
    """
    table = _find(cursor, record.name)
    if table is None or record.missing:
        return table is None and record.missing
    return (
        table.oid == record.oid
        and record.marks == ledger.marks(cursor, record.tid, record.members)
        and _isShaped(record, table)
        and _equipmentOf(record, table, manner).digest == record.wanted
    )


def repairTable(cursor: Any, record: Record, manner: Manner) -> None:
    """
    Put the following of one table right.
    """
    name = record.name
    try:
        table = describe(cursor, name)
    except RealtimeError as error:
        reason = error.message
        if error.code == "unknown_table":
            reason = (
                f"The table {name!r} was dropped or renamed; its changes are told again once it"
                " is back."
            )
        lose(cursor, record, reason)
        return
    if record.oid is None:
        # It was followed, but nobody knows any more how.
        _anew(cursor, record, table, manner, unsure(name))
    elif record.missing:
        # That it was lost has been told.
        tid = _anew(cursor, record, table, manner)
        _tellRebuilt(cursor, tid, table, name, manner.toldRows, silent=True)
    elif table.oid != record.oid:
        tid = _anew(cursor, record, table, manner)
        _tellRebuilt(cursor, tid, table, name, manner.toldRows)
    elif record.marks != ledger.marks(cursor, record.tid, record.members) and not _lostMembers(
        record, table
    ):
        _anew(cursor, record, table, manner, unsure(name))
    elif isRewritten(record.shapes[-1].fields, fieldsOf(table.columns)):
        reason = f"A column of the table {name!r} has another type now; reload it."
        _anew(cursor, record, table, manner, reason)
    else:
        _reshape(cursor, record, table, manner)


def lose(cursor: Any, record: Record, reason: str) -> None:
    """
    Have a table be as if it were not there, because it cannot be followed for now.
    """
    if not record.missing:
        ledger.silence(cursor, record.tid)
        ledger.setMissing(cursor, record.tid)
        ledger.addLoss(cursor, record.tid, reason)


def begin(cursor: Any, table: Table, name: str, manner: Manner) -> int:
    """
    Begin to follow a table.

    @param name: The name under which its changes are told.
    @return: Its number.
    """
    tid = ledger.addTable(cursor, name, table.oid)
    ledger.addShape(cursor, tid, fieldsOf(table.columns))
    _equip(cursor, tid, table, table.isBusy, manner)
    return tid


def follow(cursor: Any, table: Table, record: Record | None, manner: Manner) -> int:
    """
    Follow a table of which nobody was told anything yet.

    @param record: How an earlier run followed a table of that name.
    @return: Its number.
    """
    if record is not None:
        if isCurrent(cursor, record, manner):
            return record.tid
        isSame = (
            not record.missing
            and table.oid == record.oid
            and record.marks == ledger.marks(cursor, record.tid, record.members)
            and not isRewritten(record.shapes[-1].fields, fieldsOf(table.columns))
        )
        if isSame:
            _reshape(cursor, record, table, manner)
            return record.tid
        give(cursor, record)
    return begin(cursor, table, table.name, manner)


def give(cursor: Any, record: Record) -> None:
    """
    Give a table up.  Its triggers do nothing from then on, and can be dropped when nobody is
    in the way.
    """
    ledger.end(cursor, record.tid)
    ledger.silence(cursor, record.tid)


def spare(cursor: Any) -> list[str]:
    """
    Give the names of functions of which the triggers are of no use any more.
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
    What subscribers are told where nobody knows what was missed.
    """
    return (
        f"Changes of the table {name!r} may be missing, because what records them was taken"
        " away or switched off; reload it."
    )


def _present(record: Record, table: Table) -> tuple[Field, ...]:
    return fieldsOf(table.columns, record.shapes[-1].fields)


def _isShaped(record: Record, table: Table) -> bool:
    return record.shapes[-1].fields == _present(record, table)


def _equipmentOf(record: Record, table: Table, manner: Manner) -> Any:
    return buildEquipment(record.tid, table, record.reserves or table.isBusy, manner)


def _lostMembers(record: Record, table: Table) -> frozenset[int]:
    """Give the partitions and inheritors that a table had and has no more."""
    return record.members - {member.oid for member in table.members}


def _anew(
    cursor: Any, record: Record, table: Table, manner: Manner, reason: str | None = None
) -> int:
    """
    Follow a table under another number: what has one number can be told again without a gap.
    """
    give(cursor, record)
    tid = begin(cursor, table, record.name, manner)
    if reason is not None:
        ledger.addLoss(cursor, tid, reason)
    return tid


def _reshape(cursor: Any, record: Record, table: Table, manner: Manner) -> None:
    """
    Follow a table under its present columns, and in its present partitions.
    """
    if not _isShaped(record, table):
        ledger.addShape(cursor, record.tid, _present(record, table))
    added = [member for member in table.members if member.oid not in record.members]
    _equip(cursor, record.tid, table, record.reserves or table.isBusy, manner)
    if _lostMembers(record, table):
        reason = (
            f"A part of the table {record.name!r} was taken from it, with the rows in it;"
            " reload it."
        )
        ledger.addLoss(cursor, record.tid, reason)
    elif any(
        member.hasRows and ledger.hasUntold(cursor, record.tid, table, member) for member in added
    ):
        reason = f"The table {record.name!r} got another part, with rows in it; reload it."
        ledger.addLoss(cursor, record.tid, reason)


def _equip(cursor: Any, tid: int, table: Table, reserves: bool, manner: Manner) -> None:
    """
    Create a table's triggers that are not there, and bring their functions up to date.
    """
    equipment = buildEquipment(tid, table, reserves, manner)
    standing = ledger.triggers(cursor, tid)
    statements = [
        *equipment.functions.values(),
        *(t.sql for t in equipment.triggers if (t.relation, t.name) not in standing),
    ]
    # In one message, so that the tables are locked for as short as can be; of several
    # statements none can be prepared.
    cursor.execute("; ".join(statements), prepare=False)
    ledger.silence(cursor, tid, keep=equipment.functions)
    members = [member.oid for member in table.members]
    ledger.setEquipment(cursor, tid, members, reserves, equipment.digest)


def _tellRebuilt(
    cursor: Any, tid: int, table: Table, name: str, toldRows: int, silent: bool = False
) -> None:
    """
    Enter that a table was made again, and the rows that it already has if they are few.

    @param silent: Enter no loss, unless the rows are many.
    """
    rows = ledger.countRows(cursor, table.oid, table.sql, toldRows + 1)
    told = rows is not None and rows <= toldRows
    if not told or not silent:
        count = "rows" if rows is None else f"{rows} rows" if told else f"more than {toldRows} rows"
        ledger.addLoss(
            cursor,
            tid,
            f"The table {name!r} was made again with {count}, and changes may be missing;"
            " reload it.",
        )
    if rows and told:
        ledger.addRows(cursor, tid, table)
