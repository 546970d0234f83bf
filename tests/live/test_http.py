"""
What is served over HTTP beside the WebSocket: RPC, health.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import jwt
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from aerostack.databases.sqlite import connection
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET, makeProject
from tests.live.daemon import DaemonTests

RPC = "/internal/hooks/rpc"


class HTTPTests(DaemonTests):
    """
    What the tests of the HTTP side share.
    """

    limits: Mapping[str, Any] = {"querySeconds": 0.2, "queryRows": 100, "bodyBytes": 4096}

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET), dbQuery=True),
            "quiet": makeProject(
                id="quiet", publicKey=None, secretKey="sk_of_quiet_89abcdef", dbQuery=False
            ),
        }

    async def assertRefused(
        self, status: int, code: str, method: str, *args: Any, key: str = SECRET_KEY
    ) -> str:
        """
        Make sure that a call is refused.

        @return: The message.
        """
        answered, body = await self.rpc(method, *args, key=key)
        self.assertEqual((answered, body.get("error")), (status, code), args)
        self.assertTrue(body["message"].endswith("."), body)
        message: str = body["message"]
        return message


class AccessTests(HTTPTests):
    """
    Who may call, and what.
    """

    async def test_noCredential(self) -> None:
        """
        Without a key, or with one that is none: 401.
        """
        for headers in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer "},
            {"Authorization": SECRET_KEY},
            {"Authorization": f"Basic {SECRET_KEY}"},
            {"Authorization": "Bearer sk_nobody"},
            {"Authorization": f"Bearer {SECRET_KEY}x"},
            {"Authorization": "Bearer a.b.c"},
            {"X_Aerostack_Key": SECRET_KEY},
        ):
            status, body, answer = await self.http("POST", RPC, b"{}", **headers)
            self.assertEqual(status, 401, headers)
            self.assertIn(body["error"], ("unauthorized", "invalid_token", "invalid_arguments"))
            self.assertEqual(answer.getRawHeaders("www-authenticate"), ["Bearer"])

    async def test_notTheSecretKey(self) -> None:
        """
        With the public key, or a user's token: 403; so with another project's key.
        """
        token = jwt.encode({"sub": "ann", "projectId": "p"}, TOKEN_SECRET, "HS256")
        for key in (PUBLIC_KEY, token):
            await self.assertRefused(403, "forbidden", "db.query", "SELECT 1", key=key)
        await self.assertRefused(
            403, "wrong_project", "db.query", "SELECT 1", key="sk_of_quiet_89abcdef"
        )

    async def test_queryTurnedOff(self) -> None:
        """
        Where C{db_query} is false, C{db.query} is refused, and C{socket.emit} is not.
        """
        for method, args, expected in (
            ("db.query", ["SELECT 1"], 403),
            ("socket.emit", ["e", 1, "chat/a"], 200),
        ):
            body = json.dumps({"method": method, "args": args}).encode()
            status, answer, _ = await self.http(
                "POST", RPC, body, Authorization="Bearer sk_of_quiet_89abcdef"
            )
            self.assertEqual(status, expected)
        self.assertEqual(answer, {"success": True})

    async def test_unknownMethod(self) -> None:
        """
        A method that there is not: 404.
        """
        for method in ("db.drop", "", "DB.QUERY", "__class__", "socket"):
            message = await self.assertRefused(404, "unknown_method", method)
            self.assertIn("db.query, socket.emit", message)

    async def test_badArguments(self) -> None:
        """
        Arguments that a method does not take: 400.
        """
        for args in (
            *([], ["e"], ["e", 1], [1, 1, "chat/a"], ["e", 1, 5], ["e", 1, "chat/a", {}, 1]),
            *(["e", 1, "chat/a", bad] for bad in ("x", 5, [], {"persist": 1}, {"x": 1})),
            ["e", 1, "chat/a", {"userId": 5}],
        ):
            await self.assertRefused(400, "invalid_arguments", "socket.emit", *args)
        await self.assertRefused(400, "invalid_event", "socket.emit", "presence:join", 1, "chat/a")
        await self.assertRefused(400, "invalid_topic", "socket.emit", "e", 1, "chat//a")
        await self.assertRefused(403, "wrong_project", "socket.emit", "e", 1, "chat/a/quiet")
        for args in ([], [5], [None], ["SELECT 1", {}], ["SELECT 1", "x"], ["SELECT 1", [], 1]):
            await self.assertRefused(400, "invalid_arguments", "db.query", *args)
        for bad in ([1], {"a": 1}, {"base64": 5}, {"base64": "!"}, 2**63, -(2**63) - 1, 2**200):
            message = await self.assertRefused(
                400, "invalid_arguments", "db.query", "SELECT ?, ?", [1, bad]
            )
            self.assertIn("Parameter 2", message)

    async def test_badBodies(self) -> None:
        """
        A body that is no call: 400, and 413 for one that is too large.
        """
        deep = b"[" * 2000 + b"]" * 2000
        for body, status, code in (
            (b"", 400, "invalid_json"),
            (b"hello", 400, "invalid_json"),
            (b"\xff\xfe{}", 400, "invalid_json"),
            (b'{"method":"\xff"}', 400, "invalid_json"),
            (b'{"method":"db.query","args":["\\ud800"]}', 400, "invalid_json"),
            (b'{"method":"db.query","args":[1e999]}', 400, "invalid_json"),
            (deep, 400, "too_deep"),
            (b"[]", 400, "invalid_arguments"),
            (b"null", 400, "invalid_arguments"),
            (b"{}", 400, "invalid_arguments"),
            (b'{"method":5}', 400, "invalid_arguments"),
            (b'{"method":"db.query","args":{}}', 400, "invalid_arguments"),
            (b'{"method":"db.query","args":null}', 400, "invalid_arguments"),
            (b'{"method":"db.query","args":[],"projectId":5}', 403, "wrong_project"),
            (b'"' + b"x" * 5000 + b'"', 413, "too_large"),
            (b'"' + b"x" * 5_000_000 + b'"', 413, "too_large"),
        ):
            answered, answer, _ = await self.http(
                "POST", RPC, body, Authorization=f"Bearer {SECRET_KEY}"
            )
            self.assertEqual((answered, answer["error"]), (status, code), body[:40])


class PathTests(HTTPTests):
    """
    Paths and methods.
    """

    async def test_methods(self) -> None:
        """
        A method that a path does not take: 405, with those that it does.
        """
        for method, path, allowed in (
            ("GET", RPC, "POST"),
            ("PUT", RPC, "POST"),
            ("OPTIONS", RPC, "POST"),
            ("POST", "/health", "GET"),
            ("DELETE", "/api/v1/public/realtime/history", "GET"),
            ("POST", "/api/realtime", "GET"),
            ("BREW", "/health", "GET"),
        ):
            status, body, headers = await self.http(method, path)
            self.assertEqual((status, body["error"]), (405, "method_not_allowed"), (method, path))
            self.assertEqual(headers.getRawHeaders("allow"), [allowed])

    async def test_unknownPaths(self) -> None:
        """
        A path under which nothing is: 404, as JSON.
        """
        for path in (
            *(
                "/nothing",
                "/api",
                "/api/",
                "/api/v1/public/realtime",
                "/internal/hooks",
                "/health/x",
            ),
            *("/index.html", "/%2e%2e/etc/passwd", "/%00", "/%ff", f"{RPC}/x", "/api/realtime/x"),
        ):
            for method in ("GET", "POST"):
                status, body, headers = await self.http(method, path)
                self.assertEqual((status, body["error"]), (404, "not_found"), path)
                self.assertEqual(headers.getRawHeaders("content-type"), ["application/json"])

    async def test_head(self) -> None:
        """
        C{HEAD} is answered as C{GET} is, without the body, and is nothing to log.
        """
        logged: list[LogEvent] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        room = "/api/v1/public/realtime/history?room=chat/a/p"
        for path in ("/health", "/", room, "/api/realtime", "/nothing"):
            status, _, asked = await self.http("HEAD", path)
            wire = await self.wire()
            wire.keepRaw()
            wire.write(f"GET {path} HTTP/1.0\r\nHost: a\r\n\r\n".encode())
            await wire.lost
            head, _, body = wire.received.partition(b"\r\n\r\n")
            self.assertEqual(status, int(head.split()[1]))
            self.assertEqual(asked.getRawHeaders("content-length"), [str(len(body))], path)
        told = [event for event in logged if event["log_level"] > LogLevel.debug]
        self.assertEqual([event for event in told if "HEAD" in str(event["log_format"])], [])

    async def test_health(self) -> None:
        """
        Health is 200 while all is well, and 503 with the reason when it is not.
        """
        status, body, _ = await self.http("GET", "/health")
        self.assertEqual(
            (status, body), (200, {"status": "ok", "checks": {"database": "ok", "tracker": "ok"}})
        )
        self.patch(self.daemon.tracker, "health", lambda: "Nothing was read for 60 s.")
        status, body, _ = await self.http("GET", "/health")
        self.assertEqual(
            (status, body),
            (
                503,
                {
                    "status": "failing",
                    "checks": {"database": "ok", "tracker": "Nothing was read for 60 s."},
                },
            ),
        )


class ThingsTests(HTTPTests):
    """
    A database with a table.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, value, CHECK (id < 1000))")

    def stored(self) -> list[Any]:
        """
        What is in the table, as another program sees it.
        """
        with closing(sqlite3.connect(self.path)) as connection:
            return [
                value for (value,) in connection.execute("SELECT value FROM things ORDER BY id")
            ]


class QueryTests(ThingsTests):
    """
    C{db.query}.
    """

    async def test_answer(self) -> None:
        """
        The answer has the rows, and what the statement did.
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
        Every database value has a JSON form, and most go back as they came.
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
        What the database does not take: 400 with its words, and nothing is changed.
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
        What would stay on a pooled connection is refused.
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
        The daemon's own tables can be read, and nothing else be done with them.
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
        A statement that returns too many rows, or runs too long, is refused, and what
        it did is undone.
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
        A statement that fails half-way has done nothing, and holds no lock.
        """
        await self.assertRefused(
            400, "sql_error", "db.query", "INSERT INTO things VALUES (1, 1), (2, 2), (1, 3)"
        )
        self.execute("INSERT INTO things VALUES (1, 'other')")
        self.assertEqual(self.stored(), ["other"])

    async def test_thenTold(self) -> None:
        """
        What C{db.query} changes is told, and what it fails to change is not.
        """
        watcher = await self.subscribed("things")
        await self.assertRefused(
            400, "sql_error", "db.query", "INSERT INTO things VALUES (1, 1), (1, 1)"
        )
        await self.query("INSERT INTO things VALUES (2, 2)")
        self.assertEqual((await watcher.frame())["data"], {"id": 2, "value": 2})


class LockedTests(ThingsTests):
    """
    A database that somebody else holds.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        self.patch(connection, "BUSY_TIMEOUT", 0.2)
        await super().setUp()

    async def test_locked(self) -> None:
        """
        While somebody else writes, a write is refused for the time being, a read is
        answered; afterwards both work.
        """
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            insert = "INSERT INTO things VALUES (1, 1)"
            status, body = await self.rpc("db.query", insert)
            self.assertEqual((status, body["error"]), (503, "database_unavailable"))
            self.assertGreater(body["retryAfter"], 0)
            self.assertEqual((await self.query("SELECT * FROM things"))["results"], [])
            status, body = await self.rpc("socket.emit", "e", 1, "chat/a", {"persist": True})
            self.assertEqual((status, body["error"]), (503, "database_unavailable"))
            other.execute("ROLLBACK")
        await self.query(insert)
        self.assertEqual(self.stored(), [1])
