"""
Writes the triggers of a followed table, and reads them back.  Nothing here uses a database.

Every connection reads the whole schema before its first statement, and again after each change of
it.  So the triggers on a followed table are short: they name the columns in as few places as
possible, and one row of the journal holds one image of a row.

The BEFORE triggers write an image (C{B}): a row as it is before a statement may change it, delete
it or replace it.  The AFTER triggers write what happened to the row: it was inserted (C{i}),
updated (C{u}), deleted (C{D}) or silently replaced (C{G}).  These entries hold only keys.  The
row before is its last image; the row after is its next image or, without a next image, the row in
the table (L{aerostack.databases.sqlite.entries}).  So an inserted row costs an entry of a few
bytes.

Only a trigger of the user's that raises C{IGNORE} can stop a DELETE.  Where no row is put aside
and the user has no triggers on the table, the image before a DELETE reports the DELETE itself
(C{d}), and one trigger fewer is needed.

This works only with an C{INTEGER PRIMARY KEY}.  C{VACUUM} may give other rowids to rows without
one, and other keys compare by collations.  Tables of these kinds have the row after the change in
the entry itself (C{I}, C{U}).

No trigger may ever make a statement of the user's fail.  That has two consequences for their
text:

  - Columns are read from the table itself, joined with a table that has no rows and columns of
    the same names: C{SELECT "a", "b" FROM t NATURAL LEFT JOIN _aerostack_names}.  While the
    column exists it is the row's, and once it is dropped it is NULL.  A plain column name would
    make C{ALTER TABLE DROP COLUMN} fail.  C{RENAME COLUMN} rewrites the name, so L{parseColumns}
    can read a column's present name back.  (A column that is renamed and then dropped before the
    daemon saw the new name has no such double: that DROP fails until the next poll.)  The columns
    of a primary key cannot be dropped.
  - The triggers call no function that can fail on any value, nor one that would cut text at a
    NUL: they copy values as they are.

C{REPLACE} deletes rows without firing C{DELETE} triggers, unless C{recursive_triggers} is on.
The BEFORE triggers write images of the rows that agree with the new one in the key or a unique
index.  Where the table has an C{INTEGER PRIMARY KEY} and no other unique index, that is enough:
if a row was not deleted since its image, and another row then came to its key, the row was
replaced.  In other tables the triggers put the keys of the rows that may be replaced aside, in
C{_aerostack_pending}, and the AFTER triggers check which of them are really gone.  A row put
aside for an INSERT is marked C{I}, for an UPDATE C{U}: an UPDATE that a foreign key's C{SET NULL}
makes in the middle of a REPLACE must not clear what the REPLACE put aside.

Where a new row has no given key, a BEFORE trigger sees -1.  An INSERT would have to look for a
row of that key each time, so the trigger does not look for it.
L{aerostack.databases.sqlite.entries} takes a row that was inserted under this key as a sign that
it may have replaced another one.

Not covered:

  - a REPLACE that hits a row only through a unique index that is newer than the last poll, or
    through one on an expression that might fail;
  - a user's BEFORE trigger that writes to its own table during a REPLACE (SQLite calls that
    undefined, too), and a foreign key by which a row changes I{itself}: SQLite does that before
    AFTER triggers, so the journal has it in the wrong order;
  - C{ALTER TABLE RENAME} under C{PRAGMA legacy_alter_table=ON}: it leaves these triggers with the
    name of a table that does not exist, so writes to the renamed table fail until the next poll
    drops the triggers, and on the connection that renamed it until that connection next reads;
  - a C{RAISE(IGNORE)} that stops a DELETE from a C{TEMP} trigger, which only its own connection
    sees, or from a trigger that is newer than the last poll on a table that had none: the daemon
    reports the DELETE all the same;
  - an image of a row that with the daemon's own values exceeds SQLite's limit of a row, by
    default 1 GB.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aerostack.databases.sqlite.tables import Table
from aerostack.databases.sqlite.triggertext import GONE, KEY, TriggerText

NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"
"""SQL for the present time in milliseconds since the epoch."""

KEPT = 100_000
"""How many entries a journal keeps that no daemon reads."""

ABANDONED = 24 * 3600 * 1000
"""For how long, in ms, a lease must have expired before the journal is cut."""

CUT = (
    "CREATE TRIGGER _aerostack_cut AFTER UPDATE ON _aerostack_meta WHEN new.key = 'cut' BEGIN\n"
    " DELETE FROM _aerostack_changes WHERE seq <= CASE"
    f" WHEN (SELECT value FROM _aerostack_meta WHERE key = 'lease') < {NOW} - {ABANDONED}"
    f" THEN min((SELECT max(seq) FROM _aerostack_changes) - {KEPT},"
    " (SELECT min(seq) FROM _aerostack_changes) + 4000) END;\nEND"
)
"""
Cuts the journal down after no daemon has read it for long.  It cuts a little at a time, so that
no single write of the user's has to do it all.  The triggers that let the journal grow fire it
about once in a thousand rows.
"""


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
    Give the table's number from a trigger's name; L{None} for a trigger that is not the daemon's.
    """
    match = _NAME.fullmatch(name)
    return None if match is None else int(match.group(1))


def parseColumns(sql: str) -> dict[int, str]:
    """
    Read the present names of the columns out of a C{bu} trigger, by their position in the
    journal.  The result is empty if the daemon did not write the text.
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
    Whether all triggers of a table exist.

    @param texts: Their texts, by the last parts of their names.
    """
    wanted = {"bi", "bu", "bd", "ai", "au"}
    if "_aerostack_pending" in texts.get("bi", ""):
        wanted.add("bc")
    if GONE not in texts.get("bd", ""):
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
    text = TriggerText(tid, table, positions, doubles)
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
