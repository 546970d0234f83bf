"""
Row rules through the whole daemon, with real tokens and a real database.
"""

from __future__ import annotations

from typing import Any

import jwt

from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.settings.tables import TableConfig
from aerostack.testing import TOKEN_SECRET, makeProject
from tests.live.daemon import DaemonTests
from tests.live.postgres import PostgresDaemonTests
from tests.live.wire import Wire

TOPIC = "table/orders/p"


class RuleStories:
    """
    Two users of one table.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(jwt=JWTConfig("HS256", TOKEN_SECRET), defaultRead=())}

    def tables(self) -> dict[str, TableConfig]:
        return {"orders": TableConfig(("token",), ("card",), "owner_id = :sub")}

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, owner_id INTEGER, total REAL, card TEXT)"
        )
        self.told: list[str] = []

    def token(self, sub: str) -> str:
        return jwt.encode({"sub": sub}, TOKEN_SECRET, "HS256")

    async def user(self, sub: str, since: str | None = None, **fields: Any) -> tuple[Wire, Any]:
        """
        Connect as a user, and subscribe to the table.

        @return: The connection, and the answer.
        """
        wire = await self.wire()
        wire.positions = True
        protocols = f"aerostack-token.{self.token(sub)}, aerostack-v1"
        await wire.upgrade("/api/realtime?projectId=p", {"Sec-WebSocket-Protocol": protocols})
        more = {} if since is None else {"since": since}
        wire.tell({"type": "subscribe", "topic": "orders", **more, **fields})
        return wire, await self.frame(wire)

    async def frame(self, wire: Wire) -> Any:
        """
        Return the next frame that is not about altered columns, and record it.
        """
        frame = await wire.change()
        self.told.append(str(frame))
        return frame

    async def changes(self, wire: Wire, count: int) -> list[tuple[Any, ...]]:
        """
        Return the content of the next changes.
        """
        frames = []
        while len(frames) < count:
            frame = await self.frame(wire)
            if frame["type"] != "commit":
                frames.append((frame["operation"], frame["data"]["id"], frame["data"]["total"]))
            self.pos = frame["pos"]
        return frames

    async def test_twoUsers(self) -> None:
        """
        Each user gets only changes of their own rows: live, after a resume, after a restart of the
        daemon, and under another token.  No frame has a hidden column.
        """
        (ann, answer), (bob, _) = [await self.user(sub) for sub in ("7", "8")]
        start = answer["pos"]
        self.execute(
            "INSERT INTO orders VALUES (1, 7, 1, 'card-1'), (2, 8, 2, 'card-2')",
            "INSERT INTO orders VALUES (3, 7, 3, 'card-3')",
            "UPDATE orders SET total = total + 10, card = 'card-4'",
            "UPDATE orders SET owner_id = 8 WHERE id = 3",
            "DELETE FROM orders WHERE id < 3",
        )
        mine = [
            *(("INSERT", 1, 1), ("INSERT", 3, 3), ("UPDATE", 1, 11), ("UPDATE", 3, 13)),
            *(("DELETE", 3, 13), ("DELETE", 1, 11)),
        ]
        theirs = [("INSERT", 2, 2), ("UPDATE", 2, 12), ("INSERT", 3, 13), ("DELETE", 2, 12)]
        self.assertEqual(await self.changes(ann, len(mine)), mine)
        self.assertEqual(await self.changes(bob, len(theirs)), theirs)
        for again in range(2):
            for sub, expected in (("7", mine), ("8", theirs)):
                wire, answer = await self.user(sub, start)
                self.assertTrue(answer["recovered"], again)
                self.assertEqual(await self.changes(wire, len(expected)), expected)
            await self.stop()
            await self.start()

        wire, _ = await self.user("7")
        wire.tell({"type": "auth", "token": self.token("8")})
        await wire.barrier()
        self.execute("INSERT INTO orders VALUES (4, 7, 4, 'card-5'), (5, 8, 5, 'card-6')")
        self.assertEqual(await self.changes(wire, 1), [("INSERT", 5, 5)])
        self.assertEqual([told for told in self.told if "card" in told], [])

    async def test_snapshot(self) -> None:
        """
        A snapshot has only the user's own rows.
        """
        self.execute("INSERT INTO orders VALUES (1, 7, 1, 'card-1'), (2, 8, 2, 'card-2')")
        for sub, numbers in (("7", [1]), ("8", [2]), ("9", [])):
            wire, _ = await self.user(sub, snapshot=True)
            page = await self.frame(wire)
            self.assertEqual([each["id"] for each in page["rows"]], numbers)
        self.assertEqual([told for told in self.told if "card" in told], [])

    async def test_refused(self) -> None:
        """
        A client that may not read the table, or that names a hidden column, is refused.  Only the
        secret key may read a table without a rule.
        """
        self.execute("CREATE TABLE bills (id INTEGER)")
        wire = await self.client()
        for table in ("orders", "bills"):
            wire.tell({"type": "subscribe", "topic": table})
            self.assertEqual((await wire.frame())["code"], "forbidden")
        _, answer = await self.user("7", filter={"card": "card-1"})
        self.assertEqual(answer["code"], "invalid_filter")
        _, answer = await self.user("seven")
        self.assertEqual(answer["code"], "forbidden")
        self.assertIn("its claim sub", answer["message"])
        server = await self.client(key="sk_0123456789abcdef")
        server.tell({"type": "subscribe", "topic": "bills"})
        self.assertEqual((await server.frame())["type"], "subscribed")

    async def test_renamed(self) -> None:
        """
        A hidden column that is renamed while clients are subscribed is not sent, to them or to
        later subscribers.  An added column is sent.
        """
        wire, answer = await self.user("7")
        self.execute(
            "ALTER TABLE orders ADD COLUMN note TEXT",
            "INSERT INTO orders VALUES (1, 7, 1, 'card-1', 'new')",
        )
        frame = await self.frame(wire)
        self.assertEqual(frame["data"], {"id": 1, "owner_id": 7, "total": 1, "note": "new"})
        self.execute(
            "ALTER TABLE orders RENAME COLUMN card TO number",
            "INSERT INTO orders VALUES (2, 7, 2, 'card-2', NULL)",
        )
        self.assertEqual((await self.frame(wire))["code"], "rule_mismatch")
        self.assertEqual((await self.frame(wire))["type"], "unsubscribed")
        self.assertEqual(await wire.barrier(), [])
        _, refused = await self.user("7", answer["pos"])
        self.assertEqual(refused["code"], "rule_mismatch")
        self.assertEqual([told for told in self.told if "card" in told], [])
        self.flushLoggedErrors()


class SQLiteRuleTests(RuleStories, DaemonTests):
    """
    Row rules on SQLite.
    """


class PostgresRuleTests(RuleStories, PostgresDaemonTests):
    """
    Row rules on PostgreSQL.
    """

    async def test_schemas(self) -> None:
        """
        A client cannot bypass a rule by another name of its table.
        """
        self.execute(
            "CREATE SCHEMA sales",
            "CREATE TABLE sales.orders (id int)",
            "GRANT USAGE ON SCHEMA sales TO rt",
        )
        wire, _ = await self.user("7")
        for name in ("public.orders", "Orders", '"orders"', "sales.orders", "shop.public.orders"):
            wire.tell({"type": "subscribe", "topic": f"table/{name}"})
            answer = await self.frame(wire)
            self.assertEqual(answer["type"], "error", name)
