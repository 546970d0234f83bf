"""
The triggers' SQL, from a table's description and back.  Nothing here touches a
database.

Five triggers stand on a followed table.  None of them may ever make a statement of
the user's fail, and that shapes their text:

  - A column is named only inside a scalar subquery that has no FROM, as in
    C{(SELECT new."b")}, within a query whose FROM offers a subquery of the same
    alias and column.  SQLite looks the name up from the inside out: while the column
    is there it is the row's, and once it is dropped it is NULL.  Written plainly,
    it would make C{ALTER TABLE DROP COLUMN} fail.  C{RENAME COLUMN} rewrites just the
    inner names, so a column's present name can be read back by L{parseColumns}.
    (The subquery reads a row of C{_aerostack_tables}, because SQLite makes a temporary
    table of one that reads nothing.  A column that is renamed and then dropped before
    the daemon saw the new name has no such double: that DROP fails until the next poll.)
  - No function is called that can fail on any value, nor one that would cut text at
    a NUL: values are copied as they are.

C{REPLACE} deletes rows without telling C{DELETE} triggers, unless
C{recursive_triggers} is on.  So the BEFORE triggers put aside what may be about to
go, in C{_aerostack_pending}: the rows that agree with the new one in the key or a
unique index.  The AFTER triggers look which of them are really gone, and record
their deletion before the new row.  A row put aside for an INSERT is marked C{I},
for an UPDATE C{U}: an UPDATE that a foreign key's C{SET NULL} makes in the middle of a
REPLACE must not clear what the REPLACE put aside.

Not covered:

  - a REPLACE that hits a row only through a unique index on an I{expression}, or through
    one that is newer than the last poll;
  - a user's BEFORE trigger that writes to its own table during a REPLACE (SQLite calls
    that undefined, too), and a foreign key by which a row changes I{itself}: SQLite does
    that before AFTER triggers, so it is told the wrong way round;
  - C{ALTER TABLE RENAME} under C{PRAGMA legacy_alter_table=ON}: it leaves these triggers
    naming a table that is not there, so writes to the renamed table fail until the next
    poll takes them off it, and on the connection that renamed it until that next reads;
  - two images of a row that together exceed SQLite's limit of a row, by default 1 GB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aerostack.core.identifiers import quoteIdentifier
from aerostack.tracker.schema import Column, Table, fold

NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"
"""SQL for the present, milliseconds since the epoch."""

KEPT = 100_000
"""How many entries a journal keeps that no daemon reads."""

ABANDONED = 24 * 3600 * 1000
"""For how long, in ms, a lease must have run out before the journal is cut."""

_NEWEST = "(SELECT max(seq) FROM _aerostack_changes)"

# Cuts the journal down once nobody has read it for long, a little at a time, so that no
# single write of the user's has to do it all.  It is a step of each trigger that writes
# entries: with a trigger of its own on the journal each entry would cost twice as much.
# All conditions stand within the bound, because beside it SQLite would look at them anew
# for each entry.
_CUT = (
    "DELETE FROM _aerostack_changes WHERE seq <= CASE"
    f" WHEN {_NEWEST} % 1000 < 10 AND"
    f" (SELECT value FROM _aerostack_meta WHERE key = 'lease') < {NOW} - {ABANDONED}"
    f" THEN min({_NEWEST} - {KEPT}, (SELECT min(seq) FROM _aerostack_changes) + 2000) END"
)

_NAME = re.compile(r"_aerostack_(\d+)_(?:bi|bu|ad|ai|au)")
_POSITIONS = re.compile(r"INSERT INTO _aerostack_changes\(tid, op, at, k, ([co\d, ]+)\)")
_COLUMN = re.compile(
    r"""\(\s*SELECT\s+new\s*\.\s*("(?:[^"]|"")*")\s*\) | "(?:[^"]|"")*" | '(?:[^']|'')*'""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Trigger:
    """
    One trigger: its name, and the statement that creates it.
    """

    name: str
    sql: str


def parseName(name: str) -> int | None:
    """
    Give the table's number from a trigger's name, L{None} if it is not ours.
    """
    match = _NAME.fullmatch(name)
    return None if match is None else int(match.group(1))


def parseColumns(sql: str) -> dict[int, str]:
    """
    Read the present names of the columns out of an C{au} trigger, by their position
    in the journal.  Gives nothing if the text is not one of ours.
    """
    # The last INSERT is the one that records the UPDATE.
    *_, match = [None, *_POSITIONS.finditer(sql)]
    if match is None:
        return {}
    positions = [int(c[1:]) for c in match.group(1).split(", ") if c.startswith("c")]
    names = [
        found.group(1)[1:-1].replace('""', '"')
        for found in _COLUMN.finditer(sql, match.end())
        if found.group(1) is not None
    ]
    # The subquery that gives the rowid is not quoted, so it is not among them.
    return dict(zip(positions, names, strict=True)) if len(positions) == len(names) else {}


def buildTriggers(tid: int, table: Table, positions: Sequence[int]) -> list[Trigger]:
    """
    Write a table's triggers.

    @param tid: The table's number.
    @param positions: For each of the table's columns, its place in the journal.
    """
    text = _Text(tid, table, positions)
    return [
        Trigger(f"_aerostack_{tid}_{kind}", sql)
        for kind, sql in (
            ("bi", text.beforeInsert()),
            ("bu", text.beforeUpdate()),
            ("ad", text.afterDelete()),
            ("ai", text.afterInsert()),
            ("au", text.afterUpdate()),
        )
    ]


class _Text:
    """
    The pieces of which one table's triggers are put together.
    """

    def __init__(self, tid: int, table: Table, positions: Sequence[int]) -> None:
        self._tid = tid
        self._table = table
        self._name = quoteIdentifier(table.name)
        # A partial index's WHERE may name the table.  One that is named like the trigger's
        # own rows needs another name where the rowid is asked for.
        self._row = "t" if fold(table.name) in ("new", "old") else self._name
        self._positions = positions
        self._columns = [quoteIdentifier(column.name) for column in table.columns]
        self._rowid = table.rowid
        if table.rowid is None:
            places = dict(zip(self._columns, positions, strict=True))
            self._kept = [f"c{places[part.sql]}" for part in table.key]
        else:
            self._kept = ["k"]

    def beforeInsert(self) -> str:
        """Put aside what an INSERT may replace."""
        return self._create("bi", "BEFORE INSERT", [*self._putAside("I", "")])

    def beforeUpdate(self) -> str:
        """Put aside what an UPDATE may replace."""
        itself = " AND ".join(
            f"x.k{i} IS (SELECT old.{part.sql})" for i, part in enumerate(self._table.key)
        )
        columns = self._conflicting()
        of = "" if columns is None else " OF " + ", ".join(columns)
        return self._create(
            "bu", f"BEFORE UPDATE{of}", [*self._putAside("U", f" AND NOT ({itself})")]
        )

    def afterInsert(self) -> str:
        """Record an INSERT, after the rows that it replaced."""
        replaced = "1"
        return self._create(
            "ai",
            "AFTER INSERT",
            [
                self._recordGone("I", replaced),
                # Those that an UPDATE put aside and left must not be told again.
                f"DELETE FROM _aerostack_pending WHERE tid = {self._tid}"
                f" AND {self._gone('_aerostack_pending', replaced)}",
                self._record("I", "new"),
                _CUT,
            ],
        )

    def afterUpdate(self) -> str:
        """Record an UPDATE, after the rows that it replaced."""
        # Where the key is as it was, what stands at the new row's key is the row itself.
        stays = " AND ".join(
            f"(SELECT new.{part.sql}){part.collate} = (SELECT old.{part.sql})"
            for part in self._table.key
        )
        moved = f"NOT ({stays})"
        return self._create(
            "au",
            "AFTER UPDATE",
            [
                self._recordGone("U", moved),
                f"DELETE FROM _aerostack_pending WHERE tid = {self._tid} AND kind = 'U'"
                f" AND {self._gone('_aerostack_pending', moved)}",
                self._record("U", "new", "old"),
                _CUT,
            ],
        )

    def afterDelete(self) -> str:
        """Record a DELETE; a row put aside is not told twice."""
        return self._create(
            "ad",
            "AFTER DELETE",
            [
                f"DELETE FROM _aerostack_pending WHERE tid = {self._tid}"
                f" AND {self._keyIs('_aerostack_pending', 'old')}",
                self._record("D", "old"),
                _CUT,
            ],
        )

    def _create(self, kind: str, event: str, steps: Iterable[str]) -> str:
        body = "".join(f" {step};\n" for step in steps)
        return (
            f'CREATE TRIGGER "_aerostack_{self._tid}_{kind}" {event} ON {self._name} BEGIN\n'
            f"{body}END"
        )

    def _record(self, op: str, *images: str) -> str:
        """
        Write an entry with the new row, the old row or both.
        """
        cells = []
        values = []
        for image in images:
            letter = "c" if image == "new" else "o"
            cells += [f"{letter}{position}" for position in self._positions]
            values += [f"(SELECT {image}.{column})" for column in self._columns]
        k = "NULL" if self._rowid is None else f"(SELECT {images[0]}.{self._rowid})"
        doubles = ", ".join(self._double(image) for image in images)
        return (
            f"INSERT INTO _aerostack_changes(tid, op, at, k, {', '.join(cells)})\n"
            f"  SELECT {self._tid}, '{op}', {NOW}, {k}, {', '.join(values)}\n  FROM {doubles}"
        )

    def _recordGone(self, kind: str, taken: str) -> str:
        """
        Write a deletion for each row that was put aside and is gone.

        @param taken: See L{_gone}.
        """
        cells = ", ".join(f"o{position}" for position in self._positions)
        values = ", ".join(f"p.c{position}" for position in self._positions)
        return (
            f"INSERT INTO _aerostack_changes(tid, op, at, k, {cells})\n"
            f"  SELECT {self._tid}, 'D', {NOW}, p.k, {values} FROM _aerostack_pending AS p\n"
            f"  WHERE p.tid = {self._tid} AND p.kind = '{kind}' AND {self._gone('p', taken)}"
        )

    def _gone(self, pending: str, taken: str) -> str:
        """
        Give the condition that a row that was put aside is gone.

        @param pending: The table or alias that holds it.
        @param taken: The condition under which, if the new row has its key, it was
            replaced there.
        """
        match = " AND ".join(
            f"t.{part.sql}{part.collate} = {pending}.{kept}"
            for kept, part in zip(self._kept, self._table.key, strict=True)
        )
        return (
            f"(({self._keyIs(pending, 'new')} AND {taken})"
            f" OR NOT EXISTS (SELECT 1 FROM {self._name} AS t WHERE {match}))"
        )

    def _putAside(self, kind: str, condition: str) -> Iterable[str]:
        """
        Put aside the rows that agree with the new one in the key or a unique index.
        """
        mine = f"tid = {self._tid} AND kind = '{kind}'"
        yield f"DELETE FROM _aerostack_pending WHERE {mine}"
        cells = ", ".join(f"c{position}" for position in self._positions)
        key = self._table.key
        match = " AND ".join(f"t.{part.sql} = x.k{i}" for i, part in enumerate(key))
        images = ", ".join(
            f"(SELECT t.{column} FROM {self._name} AS t WHERE {match})" for column in self._columns
        )
        k = "NULL" if self._rowid is None else "x.k0"
        matches = list(self._matches())
        for where in matches:
            found = ", ".join(
                f"(SELECT {self._row}.{part.sql} FROM {self._name} AS {self._row}"
                f" WHERE {where}) AS k{i}"
                for i, part in enumerate(key)
            )
            # The LIMIT has it looked up once, and not once for each column.
            yield (
                f"INSERT INTO _aerostack_pending(tid, kind, k, {cells})\n"
                f"  SELECT {self._tid}, '{kind}', {k}, {images}\n"
                f"  FROM (SELECT {found} FROM {self._double(self._row)} LIMIT 1) AS x\n"
                f"  CROSS JOIN {self._double('t')}\n  WHERE x.k0 IS NOT NULL{condition}"
            )
        if len(matches) > 1:
            # One row may be in the way by its key and by an index.
            same = " AND ".join(f"p.{kept} IS _aerostack_pending.{kept}" for kept in self._kept)
            yield (
                f"DELETE FROM _aerostack_pending WHERE {mine} AND EXISTS"
                f" (SELECT 1 FROM _aerostack_pending AS p WHERE p.tid = {self._tid}"
                f" AND p.kind = '{kind}' AND {same} AND p.rowid < _aerostack_pending.rowid)"
            )

    def _matches(self) -> Iterable[str]:
        """
        Give the conditions under which a row of the table is in the new one's way.
        """
        yield " AND ".join(
            f"{self._row}.{part.sql}{part.collate} = (SELECT new.{part.sql})"
            for part in self._table.key
        )
        for unique in self._table.uniques:
            terms = [
                f"{self._row}.{part.sql}{part.collate} = {_newValue(column)}"
                for column, part in unique.columns
            ]
            if unique.predicate is not None:
                # Without it SQLite could not use the index, and would read the table.
                terms.append(f"({unique.predicate})")
            yield " AND ".join(terms)

    def _keyIs(self, alias: str, image: str) -> str:
        return " AND ".join(
            f"{alias}.{kept}{part.collate} = (SELECT {image}.{part.sql})"
            for kept, part in zip(self._kept, self._table.key, strict=True)
        )

    def _double(self, alias: str) -> str:
        """
        Give the subquery that stands in for columns that are dropped.
        """
        nulls = ", ".join(f"NULL AS {column}" for column in self._columns)
        return f"(SELECT {nulls} FROM _aerostack_tables WHERE tid = {self._tid}) AS {alias}"

    def _conflicting(self) -> list[str] | None:
        """
        Give the columns whose UPDATE can replace another row; L{None} if it may be any.
        """
        uniques = self._table.uniques
        if any(unique.predicate is not None for unique in uniques) or any(
            column.generated for unique in uniques for column, _ in unique.columns
        ):
            # Any column can bring the row into a partial index, or be what a unique
            # one is computed from.
            return None
        names = [*self._table.keyColumns]
        if self._rowid is not None:
            # SQLite compares these names as written in SET.
            names += ["rowid", "_rowid_", "oid"]
        names += [column.name for unique in uniques for column, _ in unique.columns]
        return [quoteIdentifier(name) for name in dict.fromkeys(names)]


def _newValue(column: Column) -> str:
    """
    Give a column of the new row, for a comparison.
    """
    name = quoteIdentifier(column.name)
    value = f"(SELECT (SELECT new.{name}) FROM (SELECT NULL AS {name}) AS new)"
    if column.notNull and column.default is not None:
        # REPLACE puts the default where NULL is not allowed, after BEFORE triggers ran.
        return f"coalesce({value}, {column.default})"
    return value
