"""
Tests for L{aerostack.databases.sqlite.emitting}.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite.connection import SQLITE
from aerostack.databases.sqlite.emitting import NameTaken, SQLiteEmittedEvents
from aerostack.databases.sqlite.tables import describe
from aerostack.errors import RealtimeError
from aerostack.interfaces.emitting import IEmittedEvents
from tests.databases.contracts.emitted import ONE, EmittedContract
from tests.databases.support import connect

INSERT = "INSERT INTO aerostack_emit (topic, event, data, persist, key) VALUES (?, ?, ?, ?, ?)"

EARLIER = (
    "CREATE TABLE aerostack_emit (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, event TEXT NOT NULL,"
    " data TEXT, persist INTEGER NOT NULL DEFAULT 0,"
    " key TEXT NOT NULL DEFAULT (lower(hex(randomblob(12)))))",
    "CREATE TRIGGER _aerostack_emit AFTER INSERT ON aerostack_emit BEGIN SELECT 1; END",
)
"""What a daemon made before events had keys."""


class EmittedTests(EmittedContract, SynchronousTestCase):
    """
    Events in an SQLite file.
    """

    dialect = SQLITE
    statement = INSERT
    refusal = sqlite3.IntegrityError

    def setUp(self) -> None:
        self.path = self.mktemp()
        connection = self.open()
        connection.execute("PRAGMA journal_mode = WAL")
        self.daemon = connection.cursor()
        self.events = self.reader()
        self.writer = self.open()

    def open(self) -> sqlite3.Connection:
        connection = connect(self.path)
        self.addCleanup(connection.close)
        return connection

    def program(self) -> Any:
        return self.writer

    def reader(self) -> IEmittedEvents:
        return SQLiteEmittedEvents()

    def restart(self) -> Any:
        self.daemon.connection.close()
        return self.open().cursor()

    def inventory(self) -> list[Any]:
        return self.daemon.execute("SELECT sql FROM sqlite_master ORDER BY 1").fetchall()

    def test_json(self) -> None:
        """
        A statement fails whose data is no JSON, or is a blob; a number is its text.
        """
        self.prepare()
        self.emit(self.writer, "chat/a", "e", 1.5)
        self.assertEqual([event.data for event in self.read()], ["1.5"])
        for data in ("", "{", "{a: 1}", "nan", b"1", "'1'"):
            self.assertRefused("JSON", "chat/a", "e", data)

    def test_persist(self) -> None:
        """
        A statement fails with another value for persist than true and false.
        """
        self.prepare()
        for persist in (2, -1, "yes"):
            self.assertRefused("0 or 1", "chat/a", "e", "1", persist)

    def test_text(self) -> None:
        """
        A statement fails whose topic or event is a blob.
        """
        self.prepare()
        self.assertRefused("text", b"chat/a")
        self.assertRefused("text", "chat/a", b"e")

    def test_unwatched(self) -> None:
        """
        No client can watch the table, whose rows are events of all topics.
        """
        self.prepare()
        for name in ("aerostack_emit", "AEROSTACK_EMIT"):
            error = self.assertRaises(RealtimeError, describe, self.daemon, name)
            self.assertEqual(error.code, "table_not_allowed")

    def test_trigger(self) -> None:
        """
        A trigger of the user's emits events, which are there with the change that fired it.
        """
        self.prepare()
        self.writer.executescript(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, total);"
            "CREATE TRIGGER told AFTER INSERT ON orders BEGIN INSERT INTO aerostack_emit"
            " (topic, event, data) VALUES ('chat/a', 'order', json_object('id', NEW.id)); END"
        )
        self.writer.execute("INSERT INTO orders (total) VALUES (1), (2)")
        self.assertEqual([event.data for event in self.read()], ['{"id":1}', '{"id":2}'])

    def test_foreignTable(self) -> None:
        """
        A table of the user's that has the name is left alone.
        """
        self.writer.execute("CREATE TABLE aerostack_emit (mine)")
        error = self.assertRaises(NameTaken, self.prepare)
        self.assertIn("rename", str(error))
        self.assertEqual(self.events.remove(self.daemon), [])
        self.writer.execute("INSERT INTO aerostack_emit VALUES (1)")

    def test_earlier(self) -> None:
        """
        A table of the version before gets the column for keys; its events stay, and the statements
        of programs go on, also where the database has a view that does not work.
        """
        for statement in EARLIER:
            self.writer.execute(statement)
        self.writer.executescript(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY);"
            "CREATE TRIGGER told AFTER INSERT ON orders BEGIN INSERT INTO aerostack_emit"
            " (topic, event) VALUES ('chat/a', 'order'); END;"
            "CREATE VIEW broken AS SELECT missing FROM nowhere"
        )
        insert = "INSERT INTO aerostack_emit (topic, event, data, persist) VALUES (?, ?, ?, ?)"
        self.writer.execute(insert, ("chat/a", "before", "1", True))
        before = self.writer.execute("SELECT id, key FROM aerostack_emit").fetchone()
        self.prepare()
        (event,) = self.read()
        self.assertEqual((event.mark.number, event.mark.key), before)
        self.assertEqual((event.data, event.persist, event.key), ("1", True, None))
        self.writer.execute(insert, ("chat/a", "after", "1", False))
        self.writer.execute("INSERT INTO orders VALUES (1)")
        self.emit(self.writer, "state/a", "set", "1", False, "k")
        self.assertEqual([event.key for event in self.read()], [None, None, None, "k"])
        self.assertEqual(self.names(), ["before", "after", "order", "set"])

    def test_idle(self) -> None:
        """
        A daemon that starts again writes nothing, and reads no table while other programs write
        nothing.
        """
        self.prepare()
        before = self.daemon.execute("PRAGMA schema_version").fetchone()
        self.writer.execute("BEGIN IMMEDIATE")
        SQLiteEmittedEvents().prepare(self.daemon, ONE)
        self.writer.execute("ROLLBACK")
        self.assertEqual(self.daemon.execute("PRAGMA schema_version").fetchone(), before)
        self.assertEqual(self.read(), [])
        said: list[str] = []
        self.daemon.connection.set_trace_callback(said.append)
        self.assertEqual(self.read(), [])
        self.assertEqual(said, ["PRAGMA data_version"])

    def test_dropped(self) -> None:
        """
        If a tool drops the table, the daemon creates it again when it prepares the database.
        """
        self.prepare()
        self.writer.execute("DROP TABLE aerostack_emit")
        self.assertRaises(sqlite3.OperationalError, self.read)
        self.prepare()
        self.emit(self.writer, "chat/a", "one")
        self.assertEqual(self.names(), ["one"])

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.sampled_from("ebcrt"), max_size=30))
    def test_order(self, steps: list[str]) -> None:
        """
        However a program emits, commits and rolls back, and whenever the daemon reads and takes,
        the events come once, in the order in which they were emitted.
        """
        self.prepare()
        self.names()
        expected: list[str] = []
        open_: list[str] = []
        seen: list[str] = []
        for number, step in enumerate([*steps, "c", "t"]):
            inside = self.writer.in_transaction
            if step == "e":
                self.emit(self.writer, "chat/a", f"e{number}")
                (open_ if inside else expected).append(f"e{number}")
            elif step == "b" and not inside:
                self.writer.execute("BEGIN")
            elif step in "cr" and inside:
                self.writer.execute("COMMIT" if step == "c" else "ROLLBACK")
                if step == "c":
                    expected += open_
                open_.clear()
            elif step == "t" and not (inside and open_):
                seen += self.names()
        self.assertEqual(seen, expected)
