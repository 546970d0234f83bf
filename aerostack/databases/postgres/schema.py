"""
The daemon's tables in the user's PostgreSQL database, and the functions that work on them.

The triggers write to C{captured}, in whatever order transactions commit; C{changes} is the
journal: it gives each entry its number.  C{tables} and C{shapes} say what the entries mean,
C{follows} which reader wants them, C{sessions} which readers are connected, and C{journal} holds
single facts.  Nothing here begins a transaction.

Readers exclude each other by locks on the daemon's tables, which only roles may take that may
write to these tables: an advisory lock, of whatever number, could be taken by any role that may
connect.  A session that writes to the ledger locks C{journal}.  A session that numbers changes
locks C{numbering}, which has no rows and so is never vacuumed.

An entry gets its number once its transaction is seen to be committed.  The newest number has a
snapshot, which shows what was numbered: an entry is new if its transaction was not finished in
that snapshot and is now.  So each entry is numbered exactly once, no open transaction delays
others, and no numbered entry has to be read again.  Transactions are ordered by their last
entries.  A transaction that saw the effect of another one wrote an entry after that one's last,
so no effect precedes its cause.  The entries of a transaction become visible all at once, so they
stay together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.postgres.catalog import SCHEMA
from aerostack.databases.postgres.settings import READABLE
from aerostack.databases.postgres.triggers import parseFunction
from aerostack.tracker.faults import NewerJournal

VERSION = 2

LOCK_LEDGER = f"LOCK TABLE {SCHEMA}.journal IN SHARE UPDATE EXCLUSIVE MODE"
"""Excludes all other sessions that write to the ledger."""

LOCK_NUMBERS = f"LOCK TABLE {SCHEMA}.numbering IN SHARE UPDATE EXCLUSIVE MODE"
"""Excludes all other sessions that number changes."""

INSERTED, UPDATED, DELETED = "I", "U", "D"
LOST = "L"
"""An entry that says why changes of its table are lost."""
TRUNCATED = "T"
"""An entry that says that more rows were truncated than the journal reports."""

NO_TABLE = 0
"""The table number of an entry that reports nothing, but occupies a number.  If its C{id} is
another entry's number, it is a leap: it comes next after that entry."""

TABLES = (
    *("captured", "changes", "tables", "shapes", "follows", "sessions", "journal", "numbering"),
)
SEQUENCES = ("captured_id_seq", "readers")
FUNCTIONS = ("sequence", "prune", "unsequenced")

# The server would choose plans that read a whole table for tables whose size it does not know
# yet.
_PLANS = (
    "SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off"
    " SET enable_mergejoin = off"
)

# The entries of transactions that were not finished in the snapshot _seen.
_FRESH = f"""
    SELECT c.* FROM {SCHEMA}.captured AS c WHERE c.xid >= pg_snapshot_xmax(_seen)
    UNION ALL
    SELECT c.* FROM {SCHEMA}.captured AS c
    WHERE c.xid = ANY (ARRAY(SELECT pg_snapshot_xip(_seen)))
"""

_SEEN = f"""
  SELECT c.seq, c.snapshot INTO _newest, _seen
  FROM {SCHEMA}.changes AS c ORDER BY c.seq DESC LIMIT 1;
"""

# A vacuum that truncates a file locks the table, and writers would wait.
_CREATE = (
    f"CREATE TABLE {SCHEMA}.captured (xid xid8 NOT NULL, id bigserial, early bigint,"
    ' tid integer NOT NULL, op "char" NOT NULL, at timestamptz NOT NULL, new text, old text)'
    " WITH (vacuum_truncate = off, toast.vacuum_truncate = off)",
    f"CREATE INDEX captured_xid ON {SCHEMA}.captured (xid, id)",
    f"CREATE TABLE {SCHEMA}.changes (seq bigint PRIMARY KEY, xid xid8, id bigint,"
    " tid integer NOT NULL, at timestamptz NOT NULL, last boolean NOT NULL,"
    " lost boolean NOT NULL, snapshot pg_snapshot)",
    f"CREATE INDEX changes_tid ON {SCHEMA}.changes (tid, seq)",
    f"CREATE TABLE {SCHEMA}.tables (tid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " name text NOT NULL, oid oid, members oid[] NOT NULL DEFAULT '{}',"
    " reserves boolean NOT NULL DEFAULT false, missing boolean NOT NULL DEFAULT false,"
    " ended bigint, wanted text NOT NULL DEFAULT '', marks text NOT NULL DEFAULT '')",
    f"CREATE TABLE {SCHEMA}.shapes (tid integer, since bigint, number integer,"
    " fields json NOT NULL, PRIMARY KEY (tid, number))",
    f"CREATE TABLE {SCHEMA}.follows (reader integer, name text, PRIMARY KEY (reader, name))",
    f"CREATE TABLE {SCHEMA}.sessions (reader integer PRIMARY KEY, pid integer NOT NULL,"
    " role oid NOT NULL, began timestamptz NOT NULL)",
    f"CREATE TABLE {SCHEMA}.journal (version integer, epoch text, identity text, until bigint,"
    " notifies boolean, leader integer)",
    f"CREATE TABLE {SCHEMA}.numbering ()",
    f"CREATE SEQUENCE {SCHEMA}.readers AS integer CYCLE",
    f"""
CREATE FUNCTION {SCHEMA}.sequence() RETURNS bigint LANGUAGE plpgsql {_PLANS}
SET work_mem = '64MB' AS $$
DECLARE
  _newest bigint;
  _seen pg_snapshot;
  _count bigint;
BEGIN
  BEGIN
    {LOCK_NUMBERS} NOWAIT;
  EXCEPTION WHEN lock_not_available THEN
    -- Another session numbers changes.
    RETURN (SELECT coalesce(max(c.seq), 0) FROM {SCHEMA}.changes AS c);
  END;
  {_SEEN}
  IF _seen IS NULL THEN
    -- A program emptied the journal.
    RETURN -1;
  END IF;
  INSERT INTO {SCHEMA}.changes (seq, xid, id, tid, at, last, lost, snapshot)
  SELECT _newest + f.place, f.xid, f.id, f.tid, f.at, f.last, f.lost,
    CASE WHEN f.place = f.count THEN pg_current_snapshot() END
  FROM (
    SELECT row_number() OVER (ORDER BY t.done, t.xid, t.within, t.id) AS place,
      count(*) OVER () AS count, t.xid, t.id, t.tid, t.at, t.lost,
      NOT t.lost AND lead(t.id) OVER
        (PARTITION BY t.xid, t.tid, t.lost ORDER BY t.within, t.id) IS NULL AS last
    FROM (
      SELECT c.xid, c.id, c.tid, c.at, c.op IN ('{LOST}', '{TRUNCATED}') AS lost,
        coalesce(c.early, c.id) AS within, max(c.id) OVER (PARTITION BY c.xid) AS done
      FROM ({_FRESH}) AS c
    ) AS t
  ) AS f
  ORDER BY f.place;
  GET DIAGNOSTICS _count = ROW_COUNT;
  RETURN _newest + _count;
END $$""",
    f"""
CREATE FUNCTION {SCHEMA}.prune(_after bigint, _until bigint) RETURNS bigint
LANGUAGE plpgsql {_PLANS} AS $$
DECLARE
  _count bigint;
BEGIN
  WITH gone AS (
    DELETE FROM {SCHEMA}.changes AS c WHERE c.seq > _after AND c.seq <= _until
    RETURNING c.xid, c.id
  ), entries AS (
    DELETE FROM {SCHEMA}.captured AS c USING gone WHERE c.xid = gone.xid AND c.id = gone.id
  )
  SELECT count(*) INTO _count FROM gone;
  RETURN _count;
END $$""",
    f"""
CREATE FUNCTION {SCHEMA}.unsequenced() RETURNS timestamptz LANGUAGE plpgsql {_PLANS} AS $$
DECLARE
  _newest bigint;
  _seen pg_snapshot;
BEGIN
  {_SEEN}
  RETURN (SELECT min(c.at) FROM ({_FRESH}) AS c);
END $$""",
)

# The identity of the database: a copy has another one.
_IDENTITY = (
    "(SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
    f" || ':' || '{SCHEMA}.journal'::regclass::oid"
)


def isComplete(cursor: Any) -> bool:
    """
    Whether all objects that L{create} makes exist.
    """
    names = _standing(cursor)
    return names.issuperset({*TABLES, *SEQUENCES, *FUNCTIONS})


def _standing(cursor: Any) -> set[str]:
    rows = cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
        " AND relname = ANY (%s) AND relkind IN ('r', 'S')"
        " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace(%s)"
        " AND proname = ANY (%s)",
        (SCHEMA, [*TABLES, *SEQUENCES], SCHEMA, list(FUNCTIONS)),
    ).fetchall()
    return {name for (name,) in rows}


def claim(cursor: Any) -> None:
    """
    Exclude other sessions that create the tables, where there is no ledger that they could lock.
    If another session does so, wait until it has ended; then there is a ledger.
    """
    (found,) = cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", (SCHEMA,)).fetchone()
    if not found:
        cursor.execute(f"CREATE SCHEMA {SCHEMA}")
    # Until this transaction ends, the server lets no other one make a table of the same name.
    cursor.execute(f"CREATE TABLE {SCHEMA}.claim ()")
    cursor.execute(f"DROP TABLE {SCHEMA}.claim")


def create(cursor: Any, until: int, notifies: bool) -> None:
    """
    Create the tables, anew if some exist.  This transaction has locked the ledger, or has called
    L{claim}.

    @param until: Until when to record if no daemon reads, ms.
    @param notifies: Whether writers notify readers.
    @raise NewerJournal: A newer version of the daemon made those that exist.
    """
    checkVersion(cursor)
    clear(cursor)
    for statement in _CREATE:
        cursor.execute(statement)
    cursor.execute(READABLE)
    cursor.execute(
        f"INSERT INTO {SCHEMA}.journal (version, epoch, identity, until, notifies) SELECT %s,"
        f" left(replace(gen_random_uuid()::text, '-', ''), 16), {_IDENTITY}, %s, %s",
        (VERSION, until, notifies),
    )
    cursor.execute(
        f"INSERT INTO {SCHEMA}.changes (seq, tid, at, last, lost, snapshot)"
        f" VALUES (0, {NO_TABLE}, clock_timestamp(), false, false, pg_current_snapshot())"
    )


def triggerNames(cursor: Any) -> list[str]:
    """
    Name the triggers on the user's tables that call functions of the daemon, each with its table.
    """
    return [
        name
        for (name,) in cursor.execute(
            "SELECT t.tgname || ' ON ' || t.tgrelid::regclass FROM pg_trigger t"
            " JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.pronamespace = to_regnamespace(%s)"
            " AND t.tgparentid = 0 ORDER BY 1",
            (SCHEMA,),
        ).fetchall()
    ]


def clear(cursor: Any) -> list[str]:
    """
    Drop all objects of the daemon.

    @return: The names.
    """
    gone = triggerNames(cursor)
    # The triggers are dropped with their function.
    for names in functions(cursor).values():
        dropFunctions(cursor, names)
    standing = _standing(cursor)
    for name in FUNCTIONS:
        if name in standing:
            cursor.execute(f"DROP FUNCTION {SCHEMA}.{name}")
    for name in TABLES:
        if name in standing:
            cursor.execute(f"DROP TABLE {SCHEMA}.{name}")
    # A column's sequence was dropped with its table.
    for name in _standing(cursor).intersection(SEQUENCES):
        cursor.execute(f"DROP SEQUENCE {SCHEMA}.{name}")
    return [*gone, *(f"{SCHEMA}.{name}" for name in TABLES if name in standing)]


def dropSchema(cursor: Any) -> None:
    """
    Drop the schema, if it is empty and the daemon may drop it.
    """
    (isOurs,) = cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s"
        " AND pg_has_role(nspowner, 'USAGE')) AND NOT EXISTS (SELECT FROM pg_depend"
        " WHERE refclassid = 'pg_namespace'::regclass AND refobjid = to_regnamespace(%s))",
        (SCHEMA, SCHEMA),
    ).fetchone()
    if isOurs:
        cursor.execute(f"DROP SCHEMA {SCHEMA}")


def isCopied(cursor: Any) -> bool:
    """
    Whether the journal was made for another database, of which this one is a copy, or by an older
    version.  The copy may lack the journal's rows.

    @raise NewerJournal: A newer version made it.
    """
    row = cursor.execute(
        f"SELECT version, identity IS DISTINCT FROM {_IDENTITY} FROM {SCHEMA}.journal"
    ).fetchone()
    if row is not None and row[0] > VERSION:
        raise NewerJournal(row[0], VERSION)
    return row is None or row[0] < VERSION or bool(row[1])


def checkVersion(cursor: Any) -> None:
    """
    Refuse the journal of a newer version of the daemon, whatever that one has made of the tables.

    @raise NewerJournal: There is such a journal.
    """
    (isThere,) = cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s)"
        " AND attname = 'version' AND atttypid = 'integer'::regtype)",
        (f"{SCHEMA}.journal",),
    ).fetchone()
    if isThere:
        row = cursor.execute(f"SELECT max(version) FROM {SCHEMA}.journal").fetchone()
        if row[0] is not None and row[0] > VERSION:
            raise NewerJournal(row[0], VERSION)


def functions(cursor: Any) -> Mapping[int, Mapping[str, int | None]]:
    """
    Read which functions record changes, by the number of the table that they were made for; with
    each name, for which of the tables that hold rows it is.
    """
    found: dict[int, dict[str, int | None]] = {}
    for (name,) in cursor.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace(%s) ORDER BY 1",
        (SCHEMA,),
    ).fetchall():
        parsed = parseFunction(name)
        if parsed is not None:
            tid, oid = parsed
            found.setdefault(tid, {})[name] = oid
    return found


def dropFunctions(cursor: Any, names: Iterable[str]) -> None:
    """
    Drop functions, with their triggers.  This waits until no other program uses their tables.

    Only the owner of a table can drop its triggers, but every role can drop its own function.
    """
    quoted = ", ".join(f"{SCHEMA}.{quoteIdentifier(name)}()" for name in names)
    cursor.execute("SET LOCAL client_min_messages = warning")
    cursor.execute(f"DROP FUNCTION {quoted} CASCADE")
