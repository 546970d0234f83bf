"""
The events that transactions of an SQLite database emit.

They are rows of a table.  SQLite has one writer at a time, so the order of the rows is that of the
commits.  A trigger refuses rows that could not be published, so that the statement that writes
them fails.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from zope.interface import implementer

from aerostack.core.keyed.values import MAX_KEY
from aerostack.core.replay.publications import EmittedMark
from aerostack.core.topics.emitted import STREAM_EVENTS, EmitRules, EmittedEvent
from aerostack.core.topics.topics import RESERVED_EVENTS, TABLE
from aerostack.databases.sqlite.emitrows import ROW, takeEmitted
from aerostack.databases.sqlite.ledger import transaction
from aerostack.databases.sqlite.names import EMITTED
from aerostack.interfaces.emitting import IEmittedEvents

TRIGGER = "_aerostack_emit"

# Without AUTOINCREMENT, which would leave another table in the user's database, SQLite gives the
# numbers of deleted rows again.  So each row has a key as well.
_TABLE = (
    f"CREATE TABLE {EMITTED} (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, event TEXT NOT NULL,"
    " data TEXT, persist INTEGER NOT NULL DEFAULT 0, key TEXT,"
    f" {ROW} TEXT NOT NULL DEFAULT (lower(hex(randomblob(12)))))"
)

_COLUMNS = {"id", "topic", "event", "data", "persist", "key", ROW}

_EARLIER = _COLUMNS - {ROW}
"""The columns of the table before events had keys: C{key} was that of the row."""


class NameTaken(sqlite3.OperationalError):
    """
    The database has something else under the name of the table.
    """


@implementer(IEmittedEvents)
class SQLiteEmittedEvents:
    """
    The events that transactions of an SQLite database emit.
    """

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        # The data version at which there was no event.
        self._quiet: int | None = None

    def prepare(self, cursor: sqlite3.Cursor, rules: EmitRules) -> None:
        self._quiet = None
        wanted = triggerSQL(rules)
        if self._isPrepared(cursor, wanted):
            return
        with transaction(cursor, "BEGIN IMMEDIATE"):
            columns = {
                name
                for (name,) in cursor.execute(f"SELECT name FROM pragma_table_info('{EMITTED}')")
            }
            if not columns:
                cursor.execute(_TABLE)
            elif columns == _EARLIER:
                _addKeys(cursor)
            elif columns != _COLUMNS:
                raise NameTaken(
                    f"the database has a table or view {EMITTED} that is not the daemon's; rename"
                    " it, or leave tracker.emit off"
                )
            cursor.execute(f"DROP TRIGGER IF EXISTS {TRIGGER}")
            cursor.execute(wanted)

    def _isPrepared(self, cursor: sqlite3.Cursor, wanted: str) -> bool:
        """Whether the table is there, with its trigger.  A daemon that starts again writes
        nothing."""
        found = cursor.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
            " OR type = 'trigger' AND name = ? AND tbl_name = ?",
            (EMITTED, TRIGGER, EMITTED),
        ).fetchall()
        return {sql for (sql,) in found} == {_TABLE, wanted}

    def read(self, cursor: sqlite3.Cursor, limit: int, size: int) -> list[EmittedEvent]:
        if cursor.connection is not self._connection:
            self._connection, self._quiet = cursor.connection, None
        # The version is read before the rows: a commit in between is then read twice, not missed.
        (version,) = cursor.execute("PRAGMA data_version").fetchone()
        if version == self._quiet:
            return []
        rows = cursor.execute(
            f"SELECT id, {ROW}, topic, event, data, persist, key"
            " FROM (SELECT *, sum(length(data)) OVER"
            " (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before"
            f" FROM (SELECT * FROM {EMITTED} ORDER BY id LIMIT ?))"
            " WHERE coalesce(before, 0) < ? ORDER BY id",
            (limit, size),
        ).fetchall()
        self._quiet = None if rows else version
        return [
            EmittedEvent(EmittedMark(number, row), topic, event, data or "null", bool(persist), key)
            for number, row, topic, event, data, persist, key in rows
        ]

    def take(self, cursor: sqlite3.Cursor, marks: Sequence[EmittedMark]) -> set[str]:
        # The statement is a transaction of its own, which ends when all of its rows are read.
        return takeEmitted(cursor, marks)

    def remove(self, cursor: sqlite3.Cursor) -> list[str]:
        with transaction(cursor, "BEGIN IMMEDIATE"):
            found = cursor.execute(
                "SELECT name FROM sqlite_master WHERE name IN (?, ?) AND type IN"
                " ('table', 'trigger') AND tbl_name = ? ORDER BY type DESC, name",
                (EMITTED, TRIGGER, EMITTED),
            ).fetchall()
            names = [name for (name,) in found]
            if TRIGGER not in names:
                # A table of that name without the trigger is another program's.
                return []
            cursor.execute(f"DROP TABLE {EMITTED}")
        return names


def _addKeys(cursor: sqlite3.Cursor) -> None:
    """
    Make the table anew with the column of keys, and keep its events.

    To rename a column would fail if the user's database has a view that does not work any more.
    """
    rows = cursor.execute(f"SELECT id, topic, event, data, persist, key FROM {EMITTED}").fetchall()
    cursor.execute(f"DROP TABLE {EMITTED}")
    cursor.execute(_TABLE)
    cursor.executemany(
        f"INSERT INTO {EMITTED} (id, topic, event, data, persist, {ROW}) VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )


def triggerSQL(rules: EmitRules) -> str:
    """
    Write the trigger that refuses events which could not be published.

    The message of an error has to be a constant in SQLite before 3.47.
    """
    checks = "".join(
        f" SELECT RAISE(ABORT, {_literal(f'{EMITTED}: {message}')}) WHERE {condition};"
        for condition, message in _checks(rules)
    )
    return f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON {EMITTED} BEGIN{checks} END"


def _checks(rules: EmitRules) -> Iterator[tuple[str, str]]:
    """The conditions under which an event is refused, each with a sentence."""
    topic, event, data = "NEW.topic", "NEW.event", "NEW.data"
    yield f"typeof({topic}) <> 'text' OR {topic} = ''", "the topic must be a text, and not empty"
    if len(rules.projects) == 1:
        ending = f"/{rules.projects[0]}"
        isWhole = f"substr({topic}, {-len(ending)}) = {_literal(ending)}"
        path = (
            f"(CASE WHEN {isWhole} THEN substr({topic}, 1, length({topic}) - {len(ending)})"
            f" ELSE {topic} END)"
        )
        # A name without a slash is a table's.
        isBare = f"instr({topic}, '/') = 0"
        isTable = f"({isBare} OR {path} GLOB '{TABLE}/*')"
        more = f"CASE WHEN {isBare} THEN {len(TABLE) + 1} ELSE 0 END"
        length = f"length({path}) + {len(ending)} + {more}"
    else:
        # Everything up to the last slash, and what is behind it.
        head = f"rtrim({topic}, replace({topic}, '/', ''))"
        last = f"substr({topic}, length({head}) + 1)"
        yield (
            f"{head} IN ('', '/') OR {last} NOT IN ({', '.join(map(_literal, rules.projects))})",
            f"there are several projects, so a topic has to end in its own: {rules.endings}",
        )
        path = f"substr({head}, 1, length({head}) - 1)"
        isTable = f"({path} GLOB '{TABLE}/*')"
        length = f"length({topic})"
    segments = f"'/' || {path} || '/'"
    yield (
        f"{length} > {rules.topicLength}",
        f"a topic has at most {rules.topicLength} characters with its project",
    )
    yield (
        f"{segments} GLOB '*//*' OR {segments} GLOB '*/./*' OR {segments} GLOB '*/../*'",
        "a topic has no part that is empty or . or ..",
    )
    yield f"{path} GLOB '{TABLE}/*/*'", "a table's topic is table/ and the table's name"
    yield (
        f"NOT {isTable} AND ({segments} GLOB '*/ *' OR {segments} GLOB '* /*')",
        "a part of a topic cannot begin or end in a space",
    )
    yield (
        f"NOT {isTable} AND {path} GLOB '*[\"''`\\;<>*#?]*'",
        "a topic cannot hold any of \" ' ` \\ ; < > * # ?",
    )
    yield _hasControls(topic), "a topic cannot hold control characters"
    yield (
        f"typeof({event}) <> 'text' OR {event} IN ('', '*')",
        "the event must be a text, not empty and not *",
    )
    yield (
        f"length({event}) > {rules.eventLength}",
        f"an event's name has at most {rules.eventLength} characters",
    )
    yield _hasControls(event), "an event's name cannot hold control characters"
    yield (
        " OR ".join(
            f"substr({event}, 1, {len(name)}) = '{name}'"
            for name in (RESERVED_EVENTS, STREAM_EVENTS)
        ),
        f"events that begin with {RESERVED_EVENTS} or {STREAM_EVENTS} are the daemon's own",
    )
    yield (
        # json_valid also takes the binary JSON of newer versions, which is a blob.
        f"{data} IS NOT NULL AND (typeof({data}) <> 'text' OR NOT json_valid({data}))",
        "the data must be JSON as text; json_object() and json() make it",
    )
    yield (
        f"length(CAST({data} AS BLOB)) > {rules.dataBytes}",
        f"the data of an event has at most {rules.dataBytes} bytes",
    )
    yield "NEW.persist NOT IN (0, 1)", "persist must be 0 or 1"
    yield f"NEW.persist AND {isTable}", "a table's topic keeps no messages; leave out persist"
    key = "NEW.key"
    yield (
        f"typeof({key}) NOT IN ('null', 'text') OR length({key}) NOT BETWEEN 1 AND {MAX_KEY}",
        f"a key is a text of 1 to {MAX_KEY} characters",
    )
    yield _hasControls(key), "a key cannot hold control characters"
    yield f"{key} IS NOT NULL AND {isTable}", "a table's topic is not keyed; leave out key"


def _hasControls(text: str) -> str:
    return f"{text} GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
