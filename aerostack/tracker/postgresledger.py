"""
Our own tables in the user's PostgreSQL database.

C{captured} is what the triggers write, in whatever order transactions commit;
C{changes} is the journal: it gives each entry its number.  C{tables} and C{shapes} say what
the entries mean, C{follows} who wants them, and C{journal} holds single facts.  Nothing
here begins a transaction.

An entry is given its number once the transaction that wrote it is seen to be committed.
What was seen already is known from the snapshot that the newest number stands for: an entry
is new if its transaction was not finished then and is now.  So each is numbered exactly
once, no open transaction keeps others from being told, and nothing that was told has to be
read again.  Transactions are put in the order of their last entries.  One that saw what
another did wrote an entry after that one's last, so no effect precedes its cause; and the
entries of a transaction are seen all at once, so they stay together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.pq import TransactionStatus

from aerostack.core.identifiers import quoteIdentifier
from aerostack.tracker.postgrescatalog import SCHEMA
from aerostack.tracker.postgresrows import Field, Shape
from aerostack.tracker.postgrestriggers import parseFunction, silentFunction

VERSION = 1

LOCKS = 0x61657274
"""The first key of all advisory locks of the journal's; "aert"."""

LEADER, LEDGER = 0, -1
"""Who numbers the changes, and who writes to the ledger.  The readers have numbers from 1."""

INSERTED, UPDATED, DELETED = "I", "U", "D"
LOST = "L"
"""An entry that says why changes of its table cannot be told."""
TRUNCATED = "T"
"""An entry that says that more rows were truncated than are told."""

JUMP = 1_000_000
"""How far numbers go on from where the journal was known to be, when it has lost them.
Other readers may have read further than the one that notices."""

_TABLES = ("captured", "changes", "tables", "shapes", "follows", "journal")
_SEQUENCES = ("captured_id_seq", "readers")
_FUNCTIONS = ("sequence", "prune", "unsequenced")

# Plans that read a whole table would be made for tables of which nothing is known yet.
_PLANS = (
    "SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off"
    " SET enable_mergejoin = off"
)

# The entries of transactions that were not finished at the snapshot C{seen}.
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

# A file that is cut short is locked for that, and writers would wait.
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
    f"CREATE TABLE {SCHEMA}.journal (version integer, epoch text, identity text, until bigint,"
    " notifies boolean)",
    f"CREATE SEQUENCE {SCHEMA}.readers AS integer CYCLE",
    f"""
CREATE FUNCTION {SCHEMA}.sequence() RETURNS bigint LANGUAGE plpgsql {_PLANS} AS $$
DECLARE
  _newest bigint;
  _seen pg_snapshot;
  _count bigint;
BEGIN
  {_SEEN}
  _newest := coalesce(_newest, 0);
  _seen := coalesce(_seen, '1:1:');
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
  _seen := coalesce(_seen, '1:1:');
  RETURN (SELECT min(c.at) FROM ({_FRESH}) AS c);
END $$""",
)

# Where it is known by: a copy of the database is another one.
_IDENTITY = (
    "(SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
    f" || ':' || '{SCHEMA}.journal'::regclass::oid"
)


@dataclass(frozen=True)
class Facts:
    """
    What is known of the journal as a whole.

    @ivar epoch: Tells it from every other one.
    @ivar until: When recording stops if nobody reads, ms.
    @ivar notifies: Whether readers are notified.
    @ivar isExpired: That time has come.
    """

    epoch: str
    until: int
    notifies: bool
    isExpired: bool


@dataclass(frozen=True)
class Record:
    """
    One table that is or was followed.  A table that is made again gets another.

    @ivar oid: What tells it from every other table of any time; L{None} if it is to be
        followed, but was never seen.
    @ivar members: The tables that hold its rows.
    @ivar reserves: See L{buildEquipment<aerostack.tracker.postgrestriggers.buildEquipment>}.
    @ivar missing: It is to be followed, but is not there.
    @ivar ended: The newest entry when it was given up, L{None} if it was not.
    @ivar wanted: The digest of its equipment.
    @ivar marks: Changes when somebody touches what is ours on the table.
    @ivar shapes: What columns it had, the present ones last.
    """

    tid: int
    name: str
    oid: int | None
    members: frozenset[int]
    reserves: bool
    missing: bool
    ended: int | None
    wanted: str
    marks: str
    shapes: tuple[Shape, ...]


@contextmanager
def transaction(cursor: Any, lockTimeout: int) -> Iterator[None]:
    """
    Run a block in a transaction, during which nobody else writes to the ledger.

    @param lockTimeout: For how long, in ms, to wait for a lock.  While we wait for one on a
        table of the user's, its writers wait for us.
    """
    # Each statement sees what was committed before it, so also before the lock was had.
    cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    try:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, LEDGER))
        cursor.execute(f"SET LOCAL lock_timeout = {lockTimeout:d}")
        yield
        cursor.execute("COMMIT")
    except BaseException:
        if cursor.connection.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
        ):
            cursor.execute("ROLLBACK")
        raise


def isComplete(cursor: Any) -> bool:
    """
    Tell whether all that L{create} makes is there.
    """
    names = _standing(cursor)
    return names.issuperset({*_TABLES, *_SEQUENCES, *_FUNCTIONS})


def _standing(cursor: Any) -> set[str]:
    rows = cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
        " AND relname = ANY (%s) AND relkind IN ('r', 'S')"
        " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace(%s)"
        " AND proname = ANY (%s)",
        (SCHEMA, [*_TABLES, *_SEQUENCES], SCHEMA, list(_FUNCTIONS)),
    ).fetchall()
    return {name for (name,) in rows}


def create(cursor: Any, after: int, until: int, notifies: bool) -> None:
    """
    Make the tables, anew if some are there.

    @param after: The number after which the journal begins.
    """
    clear(cursor)
    (found,) = cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", (SCHEMA,)).fetchone()
    if not found:
        cursor.execute(f"CREATE SCHEMA {SCHEMA}")
    for statement in _CREATE:
        cursor.execute(statement)
    cursor.execute(
        f"INSERT INTO {SCHEMA}.journal SELECT %s,"
        f" left(replace(gen_random_uuid()::text, '-', ''), 16), {_IDENTITY}, %s, %s",
        (VERSION, until, notifies),
    )
    if after:
        skip(cursor, after)


def clear(cursor: Any) -> list[str]:
    """
    Drop all that is ours.

    @return: The names.
    """
    gone = [name for (name,) in cursor.execute(
        "SELECT t.tgname || ' ON ' || t.tgrelid::regclass FROM pg_trigger t"
        " JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.pronamespace = to_regnamespace(%s)"
        " AND t.tgparentid = 0 ORDER BY 1",
        (SCHEMA,),
    ).fetchall()]
    # Its triggers go with a function.
    for names in functions(cursor).values():
        dropFunctions(cursor, names)
    standing = _standing(cursor)
    for name in _FUNCTIONS:
        if name in standing:
            cursor.execute(f"DROP FUNCTION {SCHEMA}.{name}")
    for name in _TABLES:
        if name in standing:
            cursor.execute(f"DROP TABLE {SCHEMA}.{name}")
    # That of a column went with its table.
    for name in _standing(cursor).intersection(_SEQUENCES):
        cursor.execute(f"DROP SEQUENCE {SCHEMA}.{name}")
    return [*gone, *(f"{SCHEMA}.{name}" for name in _TABLES if name in standing)]


def dropSchema(cursor: Any) -> None:
    """
    Drop the schema, if nothing is left in it and we may.
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
    Tell whether the journal was made for another database than this, of which this one is
    a copy.

    @raise RuntimeError: Another version made it.
    """
    row = cursor.execute(
        f"SELECT version, identity IS DISTINCT FROM {_IDENTITY} FROM {SCHEMA}.journal"
    ).fetchone()
    if row is None or row[0] != VERSION:
        raise RuntimeError(
            "the journal in this database was made by another version of aerostack-rt;"
            " take it out with that version's remove command"
        )
    return bool(row[1])


def facts(cursor: Any) -> Facts:
    """
    Read what is known of the journal as a whole.
    """
    return Facts(
        *cursor.execute(
            "SELECT epoch, until, notifies, until < extract(epoch FROM clock_timestamp()) * 1000"
            f" FROM {SCHEMA}.journal"
        ).fetchone()
    )


def setFacts(cursor: Any, until: int, notifies: bool) -> None:
    """
    Enter until when to record, and whether readers are notified.
    """
    cursor.execute(f"UPDATE {SCHEMA}.journal SET until = %s, notifies = %s", (until, notifies))


def newest(cursor: Any) -> int:
    """
    Give the number of the newest change, 0 if there is none.
    """
    (seq,) = cursor.execute(f"SELECT coalesce(max(seq), 0) FROM {SCHEMA}.changes").fetchone()
    return int(seq)


def holds(cursor: Any, seq: int) -> bool:
    """
    Tell whether a change is still in the journal.
    """
    found = cursor.execute(f"SELECT FROM {SCHEMA}.changes WHERE seq = %s", (seq,)).fetchone()
    return found is not None


def sequence(cursor: Any) -> int:
    """
    Number the changes that were committed since.  Only the leader may.

    @return: The number of the newest.
    """
    (seq,) = cursor.execute(f"SELECT {SCHEMA}.sequence()").fetchone()
    return int(seq)


def now(cursor: Any) -> int:
    """
    Give the server's time, in ms.
    """
    (time,) = cursor.execute(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    ).fetchone()
    return int(time)


def unsequenced(cursor: Any) -> float:
    """
    Give the age of the oldest change, in seconds, that was committed and has no number.
    """
    (age,) = cursor.execute(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() -"
        f" {SCHEMA}.unsequenced()), 0)::float8"
    ).fetchone()
    return float(age)


def hasLoss(cursor: Any, tid: int, after: int, until: int) -> bool:
    """
    Tell whether changes of a table between two numbers are known to be lost.
    """
    found = cursor.execute(
        f"SELECT FROM {SCHEMA}.changes AS c WHERE c.tid = %s AND c.seq > %s AND c.seq <= %s"
        " AND c.lost LIMIT 1",
        (tid, after, until),
    ).fetchone()
    return found is not None


def count(cursor: Any, tid: int, after: int, until: int, most: int) -> int:
    """
    Count the changes of a table between two numbers.

    @param most: How many to count at the most.
    """
    (found,) = cursor.execute(
        f"SELECT count(*) FROM (SELECT FROM {SCHEMA}.changes"
        " WHERE tid = %s AND seq > %s AND seq <= %s LIMIT %s) AS few",
        (tid, after, until, most),
    ).fetchone()
    return int(found)


def oldUntil(cursor: Any, after: int, before: int, timestamp: int, limit: int) -> int:
    """
    Give the number up to which changes can be pruned, 0 if none can.

    @param after: The number up to which they are gone.
    """
    (last,) = cursor.execute(
        "SELECT coalesce(max(seq) FILTER (WHERE at < to_timestamp(%s / 1000.0)), 0) FROM ("
        f" SELECT seq, at FROM {SCHEMA}.changes WHERE seq > %s AND seq <= %s"
        # The newest stays: it says where to go on.
        f" AND seq < (SELECT max(seq) FROM {SCHEMA}.changes) ORDER BY seq LIMIT %s) AS oldest",
        (timestamp, after, before, limit),
    ).fetchone()
    return int(last)


def prune(cursor: Any, after: int, until: int) -> int:
    """
    Forget changes.

    @return: How many there were.
    """
    (gone,) = cursor.execute(f"SELECT {SCHEMA}.prune(%s, %s)", (after, until)).fetchone()
    return int(gone)


def skip(cursor: Any, after: int) -> None:
    """
    Go on with numbers that nobody has read yet, and forget what has none so far: nobody
    knows any more what of it was told.
    """
    cursor.execute(
        f"WITH gone AS (DELETE FROM {SCHEMA}.captured)"
        f" INSERT INTO {SCHEMA}.changes (seq, tid, at, last, lost, snapshot)"
        " VALUES (%s, 0, clock_timestamp(), false, false, pg_current_snapshot())",
        (max(after, newest(cursor)) + JUMP,),
    )


def addLoss(cursor: Any, tid: int, reason: str) -> None:
    """
    Enter that changes of a table cannot be told.
    """
    cursor.execute(
        f"INSERT INTO {SCHEMA}.captured (xid, tid, op, at, new)"
        " VALUES (pg_current_xact_id(), %s, %s, clock_timestamp(), %s)",
        (tid, LOST, reason),
    )


def addRows(cursor: Any, tid: int, source: str) -> None:
    """
    Enter the rows that a table has as inserted.
    """
    cursor.execute(
        f"INSERT INTO {SCHEMA}.captured (xid, tid, op, at, new)"
        f" SELECT pg_current_xact_id(), %s, %s, clock_timestamp(), to_json(t.*) FROM {source} AS t",
        (tid, INSERTED),
    )


def countRows(cursor: Any, oid: int, source: str, most: int) -> int | None:
    """
    Count the rows of a table.

    @param most: How many to count at the most.
    @return: L{None} if we may not read all of them.
    """
    (isReadable,) = cursor.execute(
        "SELECT has_table_privilege(%s, 'SELECT') AND NOT row_security_active(%s)", (oid, oid)
    ).fetchone()
    if not isReadable:
        return None
    (count,) = cursor.execute(
        f"SELECT count(*) FROM (SELECT FROM {source} LIMIT %s) AS few", (most,)
    ).fetchone()
    return int(count)


def hasUntold(cursor: Any, tid: int, oid: int, source: str) -> bool:
    """
    Tell whether a part that a table got has rows of which nobody was told.

    Those that came by the table's other parts were entered by their transactions; rows
    know theirs by the lower half of its number.
    """
    if countRows(cursor, oid, source, 1) is None:
        return True
    (found,) = cursor.execute(
        f"SELECT EXISTS (SELECT FROM ONLY {source} AS r CROSS JOIN ("
        "  SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid OFFSET 0) AS now"
        f" WHERE NOT EXISTS (SELECT FROM {SCHEMA}.captured AS c WHERE c.tid = %s AND c.xid ="
        "  (now.xid - ((now.xid - r.xmin::text::bigint) & 4294967295))::text::xid8))",
        (tid,),
    ).fetchone()
    return bool(found)


def records(cursor: Any) -> dict[int, Record]:
    """
    Read all that is known of tables, by number.
    """
    shapes: dict[int, list[Shape]] = {}
    for tid, since, fields in cursor.execute(
        f"SELECT tid, since, fields::text FROM {SCHEMA}.shapes ORDER BY tid, number"
    ).fetchall():
        shape = Shape(since, tuple(Field(**field) for field in json.loads(fields)))
        shapes.setdefault(tid, []).append(shape)
    return {
        tid: Record(tid, name, oid, frozenset(members), *rest, tuple(shapes.get(tid, ())))
        for tid, name, oid, members, *rest in cursor.execute(
            "SELECT tid, name, oid, members, reserves, missing, ended, wanted, marks"
            f" FROM {SCHEMA}.tables ORDER BY tid"
        ).fetchall()
    }


def addTable(cursor: Any, name: str, oid: int | None = None) -> int:
    """
    Enter a table.

    @return: Its number.
    """
    (tid,) = cursor.execute(
        f"INSERT INTO {SCHEMA}.tables (name, oid) VALUES (%s, %s) RETURNING tid", (name, oid)
    ).fetchone()
    return int(tid)


def addShape(cursor: Any, tid: int, fields: Sequence[Field]) -> None:
    """
    Enter what columns a table has from now on.
    """
    cursor.execute(
        f"INSERT INTO {SCHEMA}.shapes (tid, since, number, fields) SELECT %s, %s,"
        f" coalesce(max(number) + 1, 0), %s FROM {SCHEMA}.shapes WHERE tid = %s",
        (tid, newest(cursor), json.dumps([asdict(field) for field in fields]), tid),
    )


def setEquipment(
    cursor: Any, tid: int, members: Iterable[int], reserves: bool, wanted: str
) -> None:
    """
    Enter how a table's changes are recorded; to be called once they are.
    """
    cursor.execute(
        f"UPDATE {SCHEMA}.tables SET members = %s, reserves = %s, wanted = %s, marks = %s"
        " WHERE tid = %s",
        (list(members), reserves, wanted, marks(cursor, tid), tid),
    )


def setName(cursor: Any, tid: int, name: str) -> None:
    """
    Enter under which name a table's changes are told.
    """
    cursor.execute(f"UPDATE {SCHEMA}.tables SET name = %s WHERE tid = %s", (name, tid))


def setMissing(cursor: Any, tid: int) -> None:
    """
    Enter that a table is to be followed, but is not there.
    """
    cursor.execute(f"UPDATE {SCHEMA}.tables SET missing = true WHERE tid = %s", (tid,))


def end(cursor: Any, tid: int) -> None:
    """
    Give a table up.  What was recorded of it can still be read.
    """
    cursor.execute(
        f"UPDATE {SCHEMA}.tables SET ended = %s WHERE tid = %s AND ended IS NULL",
        (newest(cursor), tid),
    )


def forgetEnded(cursor: Any, oldest: int) -> None:
    """
    Forget the tables that were given up and of which no entry is left.

    @param oldest: The oldest entry that is left.
    """
    cursor.execute(
        f"WITH gone AS (DELETE FROM {SCHEMA}.tables WHERE ended < %s RETURNING tid)"
        f" DELETE FROM {SCHEMA}.shapes USING gone WHERE shapes.tid = gone.tid",
        (oldest,),
    )


def functions(cursor: Any) -> Mapping[int, Mapping[str, int | None]]:
    """
    Read which functions record changes, by the number of the table that they were made for;
    with each name, which of the tables that hold rows it is for.
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


def silence(cursor: Any, tid: int, keep: Collection[str] = ()) -> None:
    """
    Have the functions that were made for a table do nothing any more.
    """
    for name in functions(cursor).get(tid, {}):
        if name not in keep:
            cursor.execute(silentFunction(name))


def dropFunctions(cursor: Any, names: Iterable[str]) -> None:
    """
    Drop functions, with their triggers.  Nobody may be using their tables meanwhile.

    To drop a trigger one has to own the table; to drop a function of one's own, not.
    """
    quoted = ", ".join(f"{SCHEMA}.{quoteIdentifier(name)}()" for name in names)
    cursor.execute("SET LOCAL client_min_messages = warning")
    cursor.execute(f"DROP FUNCTION {quoted} CASCADE")


def triggers(cursor: Any, tid: int) -> set[tuple[int, str]]:
    """
    Read which triggers of a table's there are: on what, and their names.
    """
    return set(
        cursor.execute(
            "SELECT t.tgrelid, t.tgname FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid"
            " WHERE p.pronamespace = to_regnamespace(%s) AND p.proname = ANY (%s)",
            (SCHEMA, list(functions(cursor).get(tid, ()))),
        ).fetchall()
    )


def marks(cursor: Any, tid: int) -> str:
    """
    Give what changes when somebody touches a table's triggers or their functions.
    """
    (found,) = cursor.execute(
        "SELECT coalesce(md5(string_agg(concat_ws(' ', t.oid, t.xmin, p.oid, p.xmin), ','"
        " ORDER BY t.oid)), '') FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid"
        f" WHERE p.pronamespace = to_regnamespace('{SCHEMA}') AND t.tgparentid = 0"
        " AND p.proname = ANY (%s)",
        (list(functions(cursor).get(tid, ())),),
    ).fetchone()
    return str(found)
