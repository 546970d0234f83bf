"""
The explanation of missing frames, from a running daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jwt
from twisted.internet.defer import Deferred

from aerostack.core.rows.journal import Holder, Lag
from aerostack.settings.tables import TableConfig
from aerostack.testing import SECRET_KEY, TOKEN_SECRET
from tests.live.console import ANN, OTHER_SECRET, ConsoleTests
from tests.live.wire import Wire


class WhyTests(ConsoleTests):
    """
    Tests for C{explain}.
    """

    limits: Mapping[str, Any] = {"subscriptions": 2}

    def tables(self) -> dict[str, TableConfig]:
        return {
            "staff": TableConfig(read=("token",), hidden=("salary",), rows="owner = :sub"),
            "locked": TableConfig(read=()),
        }

    async def comes(self, **claims: Any) -> Wire:
        """
        Connect with a token of Ann's.
        """
        token = jwt.encode({"sub": "ann", **claims}, TOKEN_SECRET, "HS256")
        wire = await self.wire()
        await wire.upgrade(
            "/api/realtime?projectId=p",
            {"Sec-WebSocket-Protocol": f"aerostack-token.{token}, aerostack-v1"},
        )
        return wire

    async def explain(self, topic: str, user: str = "ann", key: str = SECRET_KEY) -> Any:
        """
        Ask for an explanation.
        """
        return await self.look("explain", key, user=user, topic=topic)

    async def codes(self, topic: str, user: str = "ann") -> list[str]:
        """
        Ask for an explanation.

        @return: The codes of its findings.
        """
        return [finding["code"] for finding in (await self.explain(topic, user))["findings"]]

    async def subscribe(self, wire: Wire, topic: str, **wishes: Any) -> Any:
        """
        Subscribe.

        @return: The answer.
        """
        wire.tell({"type": "subscribe", "topic": topic, **wishes})
        return await wire.frame()

    async def test_arrives(self) -> None:
        """
        If nothing prevents delivery, the answer shows all that is known.
        """
        wire = await self.comes()
        await self.subscribe(wire, "chat/a")
        await self.emit("said", 1, "chat/a")
        await wire.frame()
        found = await self.explain("chat/a")
        self.assertEqual(found["verdict"], "What is published on chat/a/p reaches ann.")
        self.assertEqual([each["code"] for each in found["findings"]], ["subscribed"])
        (connection,) = found["connections"]
        self.assertLessEqual(connection.pop("opened"), connection.pop("since"))
        self.assertEqual(
            connection,
            {
                "id": found["findings"][0]["connection"],
                "subscribed": True,
                "state": "live",
                "filter": None,
                "columns": None,
                "events": None,
                "rule": None,
                "queued": 0,
                "congested": False,
            },
        )
        stream = found["stream"]
        self.assertEqual((stream["published"], stream["held"]), (1, 1))
        self.assertEqual(stream["last"].pop("event"), "said")
        self.assertEqual((found["ended"], found["feed"]), ([], None))

    async def test_ended(self) -> None:
        """
        For a user without a connection, the answer says how each connection ended, from either
        side.
        """
        broken = await self.comes()
        await self.leave(broken)
        client = await self.comes()
        await client.closeCleanly(4321)
        daemon = await self.comes()
        daemon.write(b"\x82\x81\x00\x00\x00\x00x")
        await daemon.lost
        while self.connected:
            await self.sleep(0.01)
        found = await self.explain("chat/a")
        self.assertEqual([each["code"] for each in found["ended"]], [1003, 4321, None])
        self.assertEqual(found["ended"][0]["reason"], "send JSON text")
        self.assertIn("1003 (send JSON text)", found["verdict"])
        self.assertEqual(await self.codes("chat/a"), ["not_connected", "unknown_topic"])

    async def test_namesake(self) -> None:
        """
        The answer also finds an anonymous user of nearly the same name.
        """
        await self.client("ann")
        self.assertIn("another_name", await self.codes("chat/a"))
        await self.comes()
        self.assertEqual(await self.codes("chat/a", ANN), ["not_subscribed", "unknown_topic"])

    async def test_notSubscribed(self) -> None:
        """
        The answer distinguishes a missing, an ended and a refused subscription.
        """
        wire = await self.comes()
        self.assertIn("not_subscribed", await self.codes("chat/a"))
        await self.subscribe(wire, "chat/a")
        wire.tell({"type": "unsubscribe", "topic": "chat/a"})
        await wire.frame()
        self.assertIn("unsubscribed", await self.codes("chat/a"))
        for topic in ("chat/b", "chat/c", "chat/d"):
            await self.subscribe(wire, topic)
        self.assertIn("refused", await self.codes("chat/d"))

    async def test_unknownTable(self) -> None:
        """
        A subscription to a table that does not exist was refused for that reason, and the table is
        not watched.
        """
        wire = await self.comes()
        await self.subscribe(wire, "missing")
        found = await self.explain("missing")
        self.assertIn("unknown_table", found["verdict"])
        self.assertEqual(
            [each["code"] for each in found["findings"]], ["refused", "table_not_followed"]
        )

    async def test_forbidden(self) -> None:
        """
        The answer says that a token's topics or a table's rule forbid the subscription.
        """
        wire = await self.comes(topics={"subscribe": ["chat/b"]})
        self.assertEqual((await self.subscribe(wire, "chat/a"))["code"], "forbidden")
        found = await self.explain("chat/a")
        self.assertEqual(found["findings"][0]["code"], "forbidden")
        self.assertIn("does not allow subscribe", found["connections"][0]["rule"])
        await self.leave(wire)
        self.execute("CREATE TABLE locked (id INTEGER)")
        await self.comes()
        found = await self.explain("locked")
        self.assertEqual(found["findings"][0]["code"], "forbidden")
        self.assertIn("tables.<pattern>.read", found["verdict"])

    async def test_narrowed(self) -> None:
        """
        The answer says what a rule, a filter, columns and events leave out, and whether they
        left out the newest change.
        """
        self.execute("CREATE TABLE staff (id INTEGER, owner TEXT, salary INTEGER)")
        wire = await self.comes()
        await self.subscribe(wire, "staff", filter={"id": {"gt": 1}}, columns=["id"])
        self.execute("INSERT INTO staff VALUES (5, 'ann', 9)")
        await wire.frame()
        found = await self.explain("staff")
        codes = [each["code"] for each in found["findings"]]
        self.assertEqual(
            codes, ["filtered", "rows_rule", "columns", "hidden_columns", "subscribed"]
        )
        (connection,) = found["connections"]
        self.assertEqual(
            connection["rule"],
            'By the token it may read rows for which owner = "ann" (by the claim sub), without'
            " salary.",
        )
        self.assertEqual((connection["columns"], connection["events"]), (["id"], None))
        self.assertEqual(found["stream"]["last"]["operation"], "INSERT")
        self.assertEqual(found["feed"]["tables"], ["staff"])
        for row, reason in (("(6, 'ben', 9)", "rule"), ("(1, 'ann', 9)", "filter")):
            before = self.front.feeds.changes
            self.execute(f"INSERT INTO staff VALUES {row}")
            while self.front.feeds.changes == before:
                await self.sleep(0.01)
            found = await self.explain("staff")
            self.assertEqual(found["findings"][0]["code"], "not_told")
            self.assertIn(reason, found["verdict"])
        await self.subscribe(wire, "staff", event=["DELETE"])
        self.assertIn("events", await self.codes("staff"))

    async def test_feed(self) -> None:
        """
        The answer says that the feed is down or late, that a transaction is open, and that a table
        is not watched or not allowed.
        """
        self.execute("CREATE TABLE orders (id INTEGER)")
        wire = await self.comes()
        self.assertIn("table_not_followed", await self.codes("orders"))
        await self.subscribe(wire, "orders")
        self.assertEqual(await self.codes("orders"), ["nothing_published", "subscribed"])
        self.front.feeds.feedDown("It sleeps.")
        self.assertEqual((await self.codes("orders"))[0], "feed_down")
        self.front.feeds.feedUp()
        self.patch(self.daemon.node.tracker, "lag", lambda: 9.0)
        self.assertEqual((await self.codes("orders"))[0], "feed_lagging")
        self.patch(self.daemon.node.tracker, "lag", lambda: 0.0)
        holder = Holder(7.0, "process 9", "app", "SELECT 1", True)
        self.patch(type(self.daemon.node.tracker), "waiting", Lag(0.0, holder))
        self.assertIn("transaction_open", await self.codes("orders"))
        self.patch(
            type(self.daemon.node.tracker), "waiting", Lag(8.0, replace(holder, isRecorded=False))
        )
        found = await self.codes("orders")
        self.assertEqual((found[0], "transaction_open" in found), ("feed_lagging", False))
        self.front.feeds.allowed = type(self.front.feeds.allowed)(["shop"])
        self.assertEqual((await self.codes("orders"))[0], "table_not_allowed")

    async def test_slow(self) -> None:
        """
        The answer says that a client does not read.
        """
        wire = await self.comes()
        await self.subscribe(wire, "chat/a")
        wire.transport.pauseProducing()  # type: ignore[union-attr]
        while "congested" not in await self.codes("chat/a"):
            await self.emit("e", "x" * 200_000, "chat/a")
        (connection,) = (await self.explain("chat/a"))["connections"]
        self.assertTrue(connection["congested"])
        wire.transport.resumeProducing()  # type: ignore[union-attr]

    async def test_asked(self) -> None:
        """
        The answer says that a subscription has no answer yet.
        """
        wire = await self.comes()
        self.patch(self.front.feeds, "watch", lambda table: Deferred())
        wire.tell({"type": "subscribe", "topic": "orders", "filter": {"id": 1}})
        while "asked" not in await self.codes("orders"):
            await self.sleep(0.01)
        (connection,) = (await self.explain("orders"))["connections"]
        self.assertEqual((connection["state"], connection["subscribed"]), ("asked", False))
        self.assertEqual(connection["filter"], {"id": 1})

    async def test_since(self) -> None:
        """
        The answer says that nothing was published since the client subscribed.
        """
        await self.subscribed("chat/a")
        await self.emit("early", 1, "chat/a")
        await self.sleep(0.01)
        wire = await self.comes()
        await self.sleep(0.01)
        await self.subscribe(wire, "chat/a")
        self.assertEqual(await self.codes("chat/a"), ["nothing_since", "subscribed"])
        await self.emit("late", 1, "chat/a")
        await wire.frame()
        self.assertEqual(await self.codes("chat/a"), ["subscribed"])

    async def test_other(self) -> None:
        """
        The answer shows nothing of another project.
        """
        wire = await self.comes()
        await self.subscribe(wire, "chat/a")
        await self.leave(await self.comes())
        found = await self.explain("chat/a", key=OTHER_SECRET)
        self.assertEqual((found["connections"], found["ended"], found["stream"]), ([], [], None))

    async def test_wrong(self) -> None:
        """
        The request needs a user and a topic.
        """
        for query in ("topic=chat/a", "user=ann", "user=&topic=chat/a"):
            status, body, _ = await self.http(
                "GET", f"/internal/admin/explain?{query}", Authorization=f"Bearer {SECRET_KEY}"
            )
            self.assertEqual((status, body["error"]), (400, "invalid_arguments"))
