"""
The text of one table's triggers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite.names import fold
from aerostack.databases.sqlite.tables import Column, Table

KEY = -1
"""The position of the column that is a row's key, which an entry has in any case."""


_OFTEN = 997


GONE = "'d'"


def keySQL(table: Table, alias: str) -> str:
    """
    The SQL of a row's key in the journal.

    @param alias: The name of the row.
    """
    parts = [f"{alias}.{part.sql}" for part in table.key]
    return parts[0] if len(parts) == 1 else " || ',' || ".join(f"quote({part})" for part in parts)


def cellName(position: int) -> str:
    """
    Give the name of the journal's column with a position.
    """
    return "k" if position == KEY else f"c{position}"


class TriggerText:
    """
    Writes the triggers of one table.

    @ivar putsAside: Whether rows that may be replaced are put aside.
    @ivar deletesSurely: Whether a row is always deleted after the BEFORE trigger.
    """

    def __init__(
        self, tid: int, table: Table, positions: Sequence[int], doubles: Collection[str]
    ) -> None:
        self._tid = tid
        self._table = table
        self._name = quoteIdentifier(table.name)
        # A partial index's WHERE may name the table.  A table that is named like a trigger's own
        # rows needs an alias where its rows are selected.
        self._row = "t" if fold(table.name) in ("new", "old") else self._name
        self._columns = [quoteIdentifier(column.name) for column in table.columns]
        self._cells = [cellName(position) for position in positions]
        places = dict(zip(self._columns, positions, strict=True))
        # The columns that hold the parts of a key that was put aside.
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
        """Keep the rows that an INSERT may replace."""
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
        """Keep the row as it is, and the row that it may replace."""
        where = self._atKey("old")
        if not self.putsAside:
            key = self._table.key[0].sql
            # With IN, SQLite would build an index of two rows each time.
            where = f"t.{key} = old.{key} OR (new.{key} <> old.{key} AND t.{key} = new.{key})"
        return self._create("bu", "BEFORE UPDATE", [self._image(where)])

    def beforeConflict(self) -> str:
        """Put the rows aside that an UPDATE may replace."""
        itself = " AND ".join(f"x.k{i} IS old.{part.sql}" for i, part in enumerate(self._table.key))
        columns = self._conflicting()
        of = "" if columns is None else " OF " + ", ".join(columns)
        return self._create(
            "bc", f"BEFORE UPDATE{of}", [*self._putAside("U", f" AND NOT ({itself})")]
        )

    def beforeDelete(self) -> str:
        """Keep the row as it is, and record the DELETE where it is certain."""
        more = {"op": GONE} if self.deletesSurely else {}
        return self._create("bd", "BEFORE DELETE", [self._image(self._atKey("old"), **more)])

    def afterInsert(self) -> str:
        """TableRecord an INSERT, after the rows that it replaced."""
        key = self._table.key[0].sql
        steps: list[str] = []
        if self.putsAside:
            # The entries must not report again what an UPDATE put aside and left.
            steps += [self._recordGone("I", "1"), self._forgetGone("", "1")]
        if self._table.stableKey:
            steps += [self._enter("i", "k", f"new.{key}"), self._cut(f"new.{key}")]
        else:
            steps += [self._image(self._atKey("new"), op="'I'"), self._cut("last_insert_rowid()")]
        return self._create("ai", "AFTER INSERT", steps)

    def afterUpdate(self) -> str:
        """TableRecord an UPDATE, after the rows that it replaced."""
        steps: list[str] = []
        if self.putsAside:
            # If the key is unchanged, the row at the new row's key is the row itself.
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
        """Record a DELETE, but not a second time for a row that was put aside."""
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
        Write an entry that holds only keys.
        """
        return (
            f"INSERT INTO _aerostack_changes(tid, op, {cells})"
            f" VALUES ({self._tid}, '{op}', {values})"
        )

    def _image(self, where: str, **more: str) -> str:
        """
        Write entries with rows as they are in the table.

        @param more: The SQL of more values of the entries.
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
        The condition that a row that was put aside is gone.

        @param pending: The table or alias that holds it.
        @param taken: If the new row has its key, the condition under which the new row replaced
            it there.
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
        Put the keys of the rows aside that agree with the new one in the key or a unique index,
        and keep these rows as they are.
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
            # With the LIMIT, SQLite looks the row up once, not once for each column.
            yield (
                f"INSERT INTO _aerostack_pending(tid, kind, {', '.join(cells)})\n"
                f"  SELECT {self._tid}, '{kind}', {', '.join(values)}\n"
                f"  FROM (SELECT {found} FROM {self._nulls(self._columns, self._row)} LIMIT 1)"
                f" AS x\n  WHERE x.k0 IS NOT NULL{condition}"
            )
        if len(matches) > 1:
            # One row may conflict by its key and by an index.
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
        The conditions under which a row of the table conflicts with the new one.
        """
        columns = {quoteIdentifier(column.name): column for column in self._table.columns}
        yield " AND ".join(
            f"{self._row}.{part.sql}{part.collate} = "
            + (_newValue(columns[part.sql]) if part.sql in columns else f"new.{part.sql}")
            for part in self._table.key
        )
        # REPLACE changes the row after BEFORE triggers saw it, and so the values computed from
        # it.
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
                # Without this condition SQLite could not use the index, and would read the whole
                # table.
                terms.append(f"({unique.predicate})")
            yield " AND ".join(terms)

    def _computed(self, expression: str) -> str:
        """
        The value that an expression will have for the new row.
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
        The subquery that stands in for dropped columns.

        @param alias: The name of its row; without it there is no row.
        """
        nulls = ", ".join(f"NULL AS {column}" for column in columns)
        if not alias:
            return f"(SELECT {nulls} WHERE 0)"
        return f"(SELECT {nulls} FROM _aerostack_tables WHERE tid = {self._tid}) AS {alias}"

    def _conflicting(self) -> list[str] | None:
        """
        The columns whose UPDATE can replace another row; L{None} if it may be any column.
        """
        uniques = self._table.uniques
        if any(unique.predicate is not None for unique in uniques) or any(
            column is None or column.generated for unique in uniques for column, _ in unique.columns
        ):
            # Any column can bring the row into a partial index, or be part of a unique
            # expression.
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
    A column of the new row, for a comparison.
    """
    name = quoteIdentifier(column.name)
    value = f"(SELECT (SELECT new.{name}) FROM (SELECT NULL AS {name}) AS new)"
    if column.replacement is not None:
        # REPLACE uses the default where NULL is not allowed, after BEFORE triggers ran.
        return f"coalesce({value}, {column.replacement})"
    return value
