"""
The triggers' SQL, from a table's description and back.  Nothing here touches a
database.

Every connection reads the whole schema before its first statement, and again whenever
somebody changed it.  So the triggers on a followed table are short: the columns are named
in as few places as can be, and one row of the journal holds one image of a row.

The BEFORE triggers write a row as it stands, before a statement may change it, delete it or
put another in its place: an image (C{B}).  The AFTER triggers write what became of it: a row
was inserted (C{i}), updated (C{u}), deleted (C{D}) or silently replaced (C{G}).  They hold no
more than keys.  What a row was before is its last image; what it is after is its next
image or, where there is no other, the row as it stands in the table
(L{aerostack.databases.sqlite.entries}).  So a row that is inserted costs an entry of a few bytes.

A DELETE can only be stopped by a trigger of the user's that raises C{IGNORE}.  Where no row is put
aside and the user has no triggers on the table, the image before a DELETE tells it itself (C{d}),
and there is one trigger fewer.

Only an C{INTEGER PRIMARY KEY} is good enough for that.  C{VACUUM} may give rows without one
other rowids, and other keys compare by collations.  Tables of these sorts have the row as
it is after in the entry itself (C{I}, C{U}).

No trigger may ever make a statement of the user's fail, and that shapes their text:

  - Columns are read from the table itself, joined with one that has no rows and columns of
    the same names: C{SELECT "a", "b" FROM t NATURAL LEFT JOIN _aerostack_names}.  While the
    column is there it is the row's, and once it is dropped it is NULL.  Written plainly,
    it would make C{ALTER TABLE DROP COLUMN} fail.  C{RENAME COLUMN} rewrites the name, so a
    column's present name can be read back by L{parseColumns}.  (A column that is renamed
    and then dropped before the daemon saw the new name has no such double: that DROP fails
    until the next poll.)  The columns of a primary key cannot be dropped.
  - No function is called that can fail on any value, nor one that would cut text at
    a NUL: values are copied as they are.

C{REPLACE} deletes rows without telling C{DELETE} triggers, unless
C{recursive_triggers} is on.  The BEFORE triggers write images of the rows that agree with
the new one in the key or a unique index.  Where the table has an C{INTEGER PRIMARY KEY} and
no other unique index, that is enough: an image of a row that was not deleted since, and then
another row of the same key, is a row that was replaced.  In other tables the keys of the rows
that may be about to go are put aside, in C{_aerostack_pending}, and the AFTER triggers look
which of them are really gone.  A row put aside for an INSERT is marked C{I}, for an UPDATE
C{U}: an UPDATE that a foreign key's C{SET NULL} makes in the middle of a REPLACE must not
clear what the REPLACE put aside.

Where no key is given for a new row, a BEFORE trigger sees -1.  So that an INSERT need not
look for a row of that key each time, none is looked for;
L{aerostack.databases.sqlite.entries} takes a row that is inserted under this key for a sign
that another one may have been replaced.

Not covered:

  - a REPLACE that hits a row only through a unique index that is newer than the last poll,
    or through one on an expression that might fail;
  - a user's BEFORE trigger that writes to its own table during a REPLACE (SQLite calls
    that undefined, too), and a foreign key by which a row changes I{itself}: SQLite does
    that before AFTER triggers, so it is told the wrong way round;
  - C{ALTER TABLE RENAME} under C{PRAGMA legacy_alter_table=ON}: it leaves these triggers
    naming a table that is not there, so writes to the renamed table fail until the next
    poll takes them off it, and on the connection that renamed it until that next reads;
  - a C{RAISE(IGNORE)} that stops a DELETE from a C{TEMP} trigger, which only its own connection
    sees, or from a trigger that is newer than the last poll on a table that had none: the DELETE
    is told all the same;
  - an image of a row that with our own values exceeds SQLite's limit of a row, by default
    1 GB.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite.tables import Column, Table, fold

NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"
"""SQL for the present, milliseconds since the epoch."""

KEPT = 100_000
"""How many entries a journal keeps that no daemon reads."""

ABANDONED = 24 * 3600 * 1000
"""For how long, in ms, a lease must have run out before the journal is cut."""

CUT = (
    "CREATE TRIGGER _aerostack_cut AFTER UPDATE ON _aerostack_meta WHEN new.key = 'cut' BEGIN\n"
    " DELETE FROM _aerostack_changes WHERE seq <= CASE"
    f" WHEN (SELECT value FROM _aerostack_meta WHERE key = 'lease') < {NOW} - {ABANDONED}"
    f" THEN min((SELECT max(seq) FROM _aerostack_changes) - {KEPT},"
    " (SELECT min(seq) FROM _aerostack_changes) + 4000) END;\nEND"
)
"""
Cuts the journal down once nobody has read it for long, a little at a time, so that no
single write of the user's has to do it all.  The triggers that let the journal grow without
end set it off, once in about a thousand rows.
"""

KEY = -1
"""The position of a column that is a row's key, which an entry has anyway."""

_OFTEN = 997

_GONE = "'d'"

_NAME = re.compile(r"_aerostack_(\d+)_(?:bi|bu|bc|bd|ad|ai|au)")
_CELLS = re.compile(r"INSERT INTO _aerostack_changes\(([ck\d, ]+), tid\b.*\s+SELECT ")
_COLUMN = re.compile(r"""\s*"((?:[^"]|"")*)"\s*,""")


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


def cellName(position: int) -> str:
    """
    Give the journal's column that has a position.
    """
    return "k" if position == KEY else f"c{position}"


def parseColumns(sql: str) -> dict[int, str]:
    """
    Read the present names of the columns out of a C{bu} trigger, by their position
    in the journal.  Gives nothing if the text is not one of ours.
    """
    match = _CELLS.search(sql)
    if match is None:
        return {}
    positions = [KEY if cell == "k" else int(cell[1:]) for cell in match.group(1).split(", ")]
    names: list[str] = []
    at = match.end()
    while len(names) < len(positions) and (found := _COLUMN.match(sql, at)):
        names.append(found.group(1).replace('""', '"'))
        at = found.end()
    return dict(zip(positions, names, strict=True)) if len(positions) == len(names) else {}


def isWhole(texts: Mapping[str, str]) -> bool:
    """
    Tell whether all triggers of a table are there.

    @param texts: Their texts, by the last parts of their names.
    """
    wanted = {"bi", "bu", "bd", "ai", "au"}
    if "_aerostack_pending" in texts.get("bi", ""):
        wanted.add("bc")
    if _GONE not in texts.get("bd", ""):
        wanted.add("ad")
    return texts.keys() == wanted


def buildTriggers(
    tid: int, table: Table, positions: Sequence[int], doubles: Collection[str]
) -> list[Trigger]:
    """
    Write a table's triggers.

    @param tid: The table's number.
    @param positions: For each of the table's columns, its place in the journal.
    @param doubles: The columns of C{_aerostack_names}, folded.
    """
    text = _Text(tid, table, positions, doubles)
    return [
        Trigger(f"_aerostack_{tid}_{kind}", sql)
        for kind, sql in (
            ("bi", text.beforeInsert()),
            ("bu", text.beforeUpdate()),
            *((("bc", text.beforeConflict()),) if text.putsAside else ()),
            ("bd", text.beforeDelete()),
            *(() if text.deletesSurely else (("ad", text.afterDelete()),)),
            ("ai", text.afterInsert()),
            ("au", text.afterUpdate()),
        )
    ]


def keySQL(table: Table, alias: str) -> str:
    """
    The SQL of what stands for a row's key in the journal.

    @param alias: What the row is called.
    """
    parts = [f"{alias}.{part.sql}" for part in table.key]
    return parts[0] if len(parts) == 1 else " || ',' || ".join(f"quote({part})" for part in parts)


class _Text:
    """
    The pieces of which one table's triggers are put together.

    @ivar putsAside: Rows that may be replaced are put aside.
    @ivar deletesSurely: A row is deleted whenever the BEFORE trigger says so.
    """

    def __init__(
        self, tid: int, table: Table, positions: Sequence[int], doubles: Collection[str]
    ) -> None:
        self._tid = tid
        self._table = table
        self._name = quoteIdentifier(table.name)
        # A partial index's WHERE may name the table.  One that is named like the trigger's
        # own rows needs another name where its rows are asked for.
        self._row = "t" if fold(table.name) in ("new", "old") else self._name
        self._columns = [quoteIdentifier(column.name) for column in table.columns]
        self._cells = [cellName(position) for position in positions]
        places = dict(zip(self._columns, positions, strict=True))
        # Where the parts of a key stand that was put aside.
        self._kept = (
            ["k"] if table.rowid is not None else [f"c{places[part.sql]}" for part in table.key]
        )
        self._double = (
            "_aerostack_names"
            if {fold(column.name) for column in table.columns} <= set(doubles)
            else self._nulls(self._columns)
        )
        self.putsAside = not table.stableKey or bool(table.uniques)
        self.deletesSurely = not self.putsAside and not table.triggered

    def beforeInsert(self) -> str:
        """Keep what an INSERT may replace."""
        if self.putsAside:
            return self._create("bi", "BEFORE INSERT", [*self._putAside("I", "")])
        key = self._table.key[0].sql
        return self._create(
            "bi",
            "BEFORE INSERT",
            [self._image(f"t.{key} = new.{key}")],
            f" WHEN new.{key} <> -1 AND EXISTS"
            f" (SELECT 1 FROM {self._name} AS t WHERE t.{key} = new.{key})",
        )

    def beforeUpdate(self) -> str:
        """Keep the row as it is, and what it may replace."""
        where = self._atKey("old")
        if not self.putsAside:
            key = self._table.key[0].sql
            # For IN, SQLite would build an index of two rows each time.
            where = f"t.{key} = old.{key} OR (new.{key} <> old.{key} AND t.{key} = new.{key})"
        return self._create("bu", "BEFORE UPDATE", [self._image(where)])

    def beforeConflict(self) -> str:
        """Put aside what an UPDATE may replace."""
        itself = " AND ".join(f"x.k{i} IS old.{part.sql}" for i, part in enumerate(self._table.key))
        columns = self._conflicting()
        of = "" if columns is None else " OF " + ", ".join(columns)
        return self._create(
            "bc", f"BEFORE UPDATE{of}", [*self._putAside("U", f" AND NOT ({itself})")]
        )

    def beforeDelete(self) -> str:
        """Keep the row as it is, and record the DELETE where it is sure."""
        more = {"op": _GONE} if self.deletesSurely else {}
        return self._create("bd", "BEFORE DELETE", [self._image(self._atKey("old"), **more)])

    def afterInsert(self) -> str:
        """Record an INSERT, after the rows that it replaced."""
        key = self._table.key[0].sql
        steps: list[str] = []
        if self.putsAside:
            # Those that an UPDATE put aside and left must not be told again.
            steps += [self._recordGone("I", "1"), self._forgetGone("", "1")]
        if self._table.stableKey:
            steps += [self._enter("i", "k", f"new.{key}"), self._cut(f"new.{key}")]
        else:
            steps += [self._image(self._atKey("new"), op="'I'"), self._cut("last_insert_rowid()")]
        return self._create("ai", "AFTER INSERT", steps)

    def afterUpdate(self) -> str:
        """Record an UPDATE, after the rows that it replaced."""
        steps: list[str] = []
        if self.putsAside:
            # Where the key is as it was, what stands at the new row's key is the row itself.
            stays = " AND ".join(
                f"new.{part.sql}{part.collate} = old.{part.sql}" for part in self._table.key
            )
            moved = f"NOT ({stays})"
            steps += [self._recordGone("U", moved), self._forgetGone(" AND kind = 'U'", moved)]
        new, old = keySQL(self._table, "new"), keySQL(self._table, "old")
        if self._table.stableKey:
            steps.append(self._enter("u", "k, was", f"{new}, {old}"))
        else:
            steps.append(self._image(self._atKey("new"), op="'U'", was=old))
        return self._create("au", "AFTER UPDATE", [*steps, self._cut("last_insert_rowid()")])

    def afterDelete(self) -> str:
        """Record a DELETE; a row put aside is not told twice."""
        steps = [self._enter("D", "k", keySQL(self._table, "old"))]
        if self.putsAside:
            steps.insert(
                0,
                f"DELETE FROM _aerostack_pending WHERE tid = {self._tid}"
                f" AND {self._keyIs('_aerostack_pending', 'old')}",
            )
        return self._create("ad", "AFTER DELETE", steps)

    def _create(self, kind: str, event: str, steps: Iterable[str], when: str = "") -> str:
        body = "".join(f" {step};\n" for step in steps)
        return (
            f"CREATE TRIGGER _aerostack_{self._tid}_{kind} {event} ON {self._name}{when} BEGIN\n"
            f"{body}END"
        )

    def _enter(self, op: str, cells: str, values: str) -> str:
        """
        Write an entry that holds no more than keys.
        """
        return (
            f"INSERT INTO _aerostack_changes(tid, op, {cells})"
            f" VALUES ({self._tid}, '{op}', {values})"
        )

    def _image(self, where: str, **more: str) -> str:
        """
        Write entries with rows as they stand in the table.

        @param more: The SQL of what else they hold.
        """
        cells = dict(zip(self._cells, self._columns, strict=True)) | {"tid": f"{self._tid}"}
        cells.setdefault("k", keySQL(self._table, "t"))
        cells |= more
        return (
            f"INSERT INTO _aerostack_changes({', '.join(cells)})\n"
            f"  SELECT {', '.join(cells.values())}\n"
            f"  FROM {self._name} AS t NATURAL LEFT JOIN {self._double} WHERE {where}"
        )

    def _atKey(self, image: str) -> str:
        return " AND ".join(
            f"t.{part.sql}{part.collate} = {image}.{part.sql}" for part in self._table.key
        )

    def _cut(self, number: str) -> str:
        return f"UPDATE _aerostack_meta SET value = 0 WHERE {number} % {_OFTEN} = 0 AND key = 'cut'"

    def _recordGone(self, kind: str, taken: str) -> str:
        """
        Write an entry for each row that was put aside and is gone.

        @param taken: See L{_gone}.
        """
        return (
            "INSERT INTO _aerostack_changes(tid, op, k)\n"
            f"  SELECT {self._tid}, 'G', p.k FROM _aerostack_pending AS p\n"
            f"  WHERE p.tid = {self._tid} AND p.kind = '{kind}' AND {self._gone('p', taken)}"
        )

    def _forgetGone(self, which: str, taken: str) -> str:
        return (
            f"DELETE FROM _aerostack_pending WHERE tid = {self._tid}{which}"
            f" AND {self._gone('_aerostack_pending', taken)}"
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
        Put aside the keys of the rows that agree with the new one in the key or a unique
        index, and keep these rows as they are.
        """
        mine = f"tid = {self._tid} AND kind = '{kind}'"
        yield f"DELETE FROM _aerostack_pending WHERE {mine}"
        key = self._table.key
        cells = ["k", *(kept for kept in self._kept if kept != "k")]
        values = [self._keyOfParts()]
        values += [f"x.k{i}" for i, kept in enumerate(self._kept) if kept != "k"]
        matches = list(self._matches())
        for where in matches:
            found = ", ".join(
                f"(SELECT {self._row}.{part.sql} FROM {self._name} AS {self._row}"
                f" WHERE {where}) AS k{i}"
                for i, part in enumerate(key)
            )
            # The LIMIT has it looked up once, and not once for each column.
            yield (
                f"INSERT INTO _aerostack_pending(tid, kind, {', '.join(cells)})\n"
                f"  SELECT {self._tid}, '{kind}', {', '.join(values)}\n"
                f"  FROM (SELECT {found} FROM {self._nulls(self._columns, self._row)} LIMIT 1)"
                f" AS x\n  WHERE x.k0 IS NOT NULL{condition}"
            )
        if len(matches) > 1:
            # One row may be in the way by its key and by an index.
            same = " AND ".join(f"p.{kept} IS _aerostack_pending.{kept}" for kept in self._kept)
            yield (
                f"DELETE FROM _aerostack_pending WHERE {mine} AND EXISTS"
                f" (SELECT 1 FROM _aerostack_pending AS p WHERE p.tid = {self._tid}"
                f" AND p.kind = '{kind}' AND {same} AND p.rowid < _aerostack_pending.rowid)"
            )
        parts = ", ".join(f"t.{part.sql}{part.collate}" for part in key)
        kept = ", ".join(self._kept)
        yield self._image(
            f"{parts if len(key) == 1 else f'({parts})'} IN"
            f" (SELECT {kept} FROM _aerostack_pending WHERE {mine})",
        )

    def _keyOfParts(self) -> str:
        parts = [f"x.k{i}" for i in range(len(self._table.key))]
        if len(parts) == 1:
            return parts[0]
        return " || ',' || ".join(f"quote({part})" for part in parts)

    def _matches(self) -> Iterable[str]:
        """
        Give the conditions under which a row of the table is in the new one's way.
        """
        columns = {quoteIdentifier(column.name): column for column in self._table.columns}
        yield " AND ".join(
            f"{self._row}.{part.sql}{part.collate} = "
            + (_newValue(columns[part.sql]) if part.sql in columns else f"new.{part.sql}")
            for part in self._table.key
        )
        # REPLACE changes the row that BEFORE triggers see, and so what is computed from it.
        changes = any(column.replacement is not None for column in self._table.columns)
        for unique in self._table.uniques:
            terms = []
            for column, part in unique.columns:
                if column is None:
                    terms.append(f"{part.sql}{part.collate} = {self._computed(part.sql)}")
                elif changes and column.source is not None:
                    value = self._computed(column.source)
                    terms.append(f"{self._row}.{part.sql}{part.collate} = {value}")
                else:
                    terms.append(f"{self._row}.{part.sql}{part.collate} = {_newValue(column)}")
            if unique.predicate is not None:
                # Without it SQLite could not use the index, and would read the table.
                terms.append(f"({unique.predicate})")
            yield " AND ".join(terms)

    def _computed(self, expression: str) -> str:
        """
        Give what an expression is for the new row, as it is going to be.
        """
        values = ", ".join(
            f"{_newValue(column)} AS {quoteIdentifier(column.name)}"
            for column in self._table.columns
            if not column.generated
        )
        return f"(SELECT {expression} FROM (SELECT {values}))"

    def _keyIs(self, alias: str, image: str) -> str:
        return " AND ".join(
            f"{alias}.{kept}{part.collate} = {image}.{part.sql}"
            for kept, part in zip(self._kept, self._table.key, strict=True)
        )

    def _nulls(self, columns: Sequence[str], alias: str = "") -> str:
        """
        Give the subquery that stands in for columns that are dropped.

        @param alias: What to call its row; without it there is none.
        """
        nulls = ", ".join(f"NULL AS {column}" for column in columns)
        if not alias:
            return f"(SELECT {nulls} WHERE 0)"
        return f"(SELECT {nulls} FROM _aerostack_tables WHERE tid = {self._tid}) AS {alias}"

    def _conflicting(self) -> list[str] | None:
        """
        Give the columns whose UPDATE can replace another row; L{None} if it may be any.
        """
        uniques = self._table.uniques
        if any(unique.predicate is not None for unique in uniques) or any(
            column is None or column.generated for unique in uniques for column, _ in unique.columns
        ):
            # Any column can bring the row into a partial index, or be what a unique
            # one is computed from.
            return None
        names = [*self._table.keyColumns]
        if self._table.rowid is not None:
            # SQLite compares these names as written in SET.
            names += ["rowid", "_rowid_", "oid"]
        names += [
            column.name for unique in uniques for column, _ in unique.columns if column is not None
        ]
        return [quoteIdentifier(name) for name in dict.fromkeys(names)]


def _newValue(column: Column) -> str:
    """
    Give a column of the new row, for a comparison.
    """
    name = quoteIdentifier(column.name)
    value = f"(SELECT (SELECT new.{name}) FROM (SELECT NULL AS {name}) AS new)"
    if column.replacement is not None:
        # REPLACE puts the default where NULL is not allowed, after BEFORE triggers ran.
        return f"coalesce({value}, {column.replacement})"
    return value
