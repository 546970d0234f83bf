"""
C{db.query} with a running daemon.
"""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from contextlib import closing
from typing import Any

from tests.live.requests import HTTPTests


class ThingsTests(HTTPTests):
    """
    Runs a daemon with a table.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, value, CHECK (id < 1000))")

    def stored(self) -> list[Any]:
        """
        Return the content of the table, as another program reads it.
        """
        with closing(sqlite3.connect(self.path, 60)) as connection:
            return [
                value for (value,) in connection.execute("SELECT value FROM things ORDER BY id")
            ]


class QueryTests(ThingsTests):
    """
    Tests for C{db.query}.
    """

    async def test_answer(self) -> None:
        """
        The answer has the rows, and the effect of the statement.
        """
        answer = await self.query("INSERT INTO things VALUES (7, 'a') RETURNING id, value AS v")
        duration = answer["meta"].pop("duration")
        self.assertGreaterEqual(duration, 0)
        self.assertEqual(answer["results"], [{"id": 7, "v": "a"}])
        self.assertEqual(answer["success"], True)
        self.assertEqual(answer["meta"]["last_row_id"], 7)
        answer = await self.query("UPDATE things SET value = 'b'")
        self.assertEqual((answer["results"], answer["meta"]["changes"]), ([], 1))

    async def test_values(self) -> None:
        """
        Every database value has a JSON form, and most can be sent back unchanged.
        """
        values = [
            None,
            0,
            2**53 - 1,
            -1.5,
            "",
            "text",
            "a\x00b",
            "😀",
            "'; DROP TABLE things; --",
            {"base64": b64encode(b"\x00\xff").decode()},
        ]
        for number, value in enumerate(values):
            await self.query("INSERT INTO things VALUES (?, ?)", [number, value])
        answer = await self.query("SELECT value FROM things ORDER BY id")
        self.assertEqual([row["value"] for row in answer["results"]], values)
        self.assertEqual(self.stored(), [*values[:-1], b"\x00\xff"])
        answer = await self.query(
            "SELECT ? AS yes, ? AS big, ? AS small, 9e999 AS inf, -9e999 AS neg,"
            " CAST(x'ff' AS TEXT) AS broken, 9007199254740992 AS unsafe",
            [True, 2**63 - 1, -(2**63)],
        )
        self.assertEqual(
            answer["results"],
            [
                {
                    "yes": 1,
                    "big": str(2**63 - 1),
                    "small": str(-(2**63)),
                    "inf": "Infinity",
                    "neg": "-Infinity",
                    "broken": "\ufffd",
                    "unsafe": "9007199254740992",
                }
            ],
        )

    async def test_wrongSQL(self) -> None:
        """
        A statement that the database refuses is 400, with the database's message, and changes
        nothing.
        """
        for sql, params in (
            ("SELEC 1", []),
            ("SELECT * FROM nothing", []),
            ("SELECT ?", []),
            ("SELECT 1", [1]),
            ("SELECT 1; SELECT 2", []),
            ("INSERT INTO things VALUES (1, 1); DELETE FROM things", []),
            ("INSERT INTO things VALUES (1000, 1)", []),
            ("SELECT '\x00'", []),
            ("SELECT load_extension('x')", []),
            ("VACUUM", []),
            ("VACUUM INTO 'copy.db'", []),
            ("(" * 1200 + ")" * 1200, []),
        ):
            await self.assertRefused(400, "sql_error", "db.query", sql, params)
        self.assertEqual(self.stored(), [])
        self.assertEqual((await self.query("SELECT 1 AS one"))["results"], [{"one": 1}])
        self.assertEqual((await self.query(""))["results"], [])
        self.assertEqual((await self.query("-- nothing"))["results"], [])

    async def test_outlivesTheStatement(self) -> None:
        """
        A statement with a lasting effect on a pooled connection is refused.
        """
        for sql in (
            *("BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK", "SAVEPOINT a", "RELEASE a"),
            *("ATTACH 'other.db' AS other", "ATTACH ':memory:' AS m", "DETACH main"),
            *("PRAGMA journal_mode", "PRAGMA journal_mode = DELETE", "PRAGMA foreign_keys = OFF"),
            *("PRAGMA writable_schema = ON", "PRAGMA query_only = ON", "PRAGMA wal_checkpoint"),
            *("CREATE TEMP TABLE things (a)", "CREATE TEMP VIEW things AS SELECT 1"),
            "CREATE TEMP TRIGGER t AFTER INSERT ON things BEGIN SELECT 1; END",
        ):
            await self.assertRefused(400, "sql_error", "db.query", sql)
        self.assertTrue((await self.query("PRAGMA table_info(things)"))["results"])

    async def test_ownTables(self) -> None:
        """
        A statement can read the daemon's own tables, and not change them.
        """
        watcher = await self.subscribed("things")
        await self.query("SELECT * FROM realtime_messages")
        await self.query("SELECT * FROM _aerostack_changes")
        for table in ("realtime_messages", "REALTIME_MESSAGES", "_aerostack_changes"):
            for sql in (
                f"DELETE FROM {table}",
                f"DROP TABLE {table}",
                f"ALTER TABLE {table} RENAME TO mine",
                f"ALTER TABLE {table} ADD COLUMN mine",
                f"CREATE INDEX mine ON {table} (rowid)",
                f"CREATE TRIGGER mine BEFORE INSERT ON {table} BEGIN SELECT RAISE(FAIL, ''); END",
            ):
                await self.assertRefused(400, "sql_error", "db.query", sql)
        triggers = await self.query("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for row in triggers["results"]:
            await self.assertRefused(400, "sql_error", "db.query", f'DROP TRIGGER "{row["name"]}"')
        await self.query("INSERT INTO things VALUES (1, 1)")
        self.assertEqual((await watcher.frame())["data"], {"id": 1, "value": 1})

    async def test_tooMuch(self) -> None:
        """
        A statement that returns too many rows, or runs too long, is refused, and its changes are
        undone.
        """
        counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        few = await self.query(f"{counting} LIMIT 100) SELECT i FROM n")
        self.assertEqual(len(few["results"]), 100)
        message = await self.assertRefused(
            400, "sql_error", "db.query", f"{counting} LIMIT 101) SELECT i FROM n"
        )
        self.assertIn("100 rows", message)
        message = await self.assertRefused(
            400, "sql_error", "db.query", f"{counting}) SELECT count(*) FROM n"
        )
        self.assertIn("0.2 s", message)
        await self.assertRefused(
            400,
            "sql_error",
            "db.query",
            f"{counting} LIMIT 101) INSERT INTO things SELECT i, i FROM n RETURNING id",
        )
        self.assertEqual(self.stored(), [])

    async def test_rolledBack(self) -> None:
        """
        A statement that fails half-way changes nothing, and holds no lock.
        """
        await self.assertRefused(
            400, "sql_error", "db.query", "INSERT INTO things VALUES (1, 1), (2, 2), (1, 3)"
        )
        self.execute("INSERT INTO things VALUES (1, 'other')")
        self.assertEqual(self.stored(), ["other"])

    async def test_thenTold(self) -> None:
        """
        Subscribers get the changes that C{db.query} makes, and nothing of a statement that fails.
        """
        watcher = await self.subscribed("things")
        await self.assertRefused(
            400, "sql_error", "db.query", "INSERT INTO things VALUES (1, 1), (1, 1)"
        )
        await self.query("INSERT INTO things VALUES (2, 2)")
        self.assertEqual((await watcher.frame())["data"], {"id": 2, "value": 2})


class LockedTests(ThingsTests):
    """
    Tests with a database that another program locks.
    """

    busy = 0.2

    async def test_locked(self) -> None:
        """
        While another program writes, a write is refused temporarily, and a read is answered;
        afterwards both work.
        """
        with closing(sqlite3.connect(self.path, 60, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            insert = "INSERT INTO things VALUES (1, 1)"
            status, body = await self.rpc("db.query", insert)
            self.assertEqual((status, body["error"]), (503, "database_unavailable"))
            self.assertGreater(body["retryAfter"], 0)
            self.assertEqual((await self.query("SELECT * FROM things"))["results"], [])
            status, body = await self.rpc("socket.emit", "e", 1, "chat/a", {"persist": True})
            self.assertEqual((status, body["error"]), (503, "database_unavailable"))
            other.execute("ROLLBACK")
        # The daemon itself may be writing, for longer than a statement waits.
        while (await self.rpc("db.query", insert))[0] == 503:
            await self.sleep(0.01)
        self.assertEqual(self.stored(), [1])
        # The message that was not kept, and what the daemon could not write meanwhile.
        self.assertNotEqual(self.flushLoggedErrors(sqlite3.OperationalError), [])
