"""
The API of the console: the overview, the connections and the topics.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import jwt
import treq
from twisted.web.client import Agent

from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET
from tests.live.console import ANN, BEN, OTHER_SECRET, ConsoleTests
from tests.live.wire import Refused


class AccessTests(ConsoleTests):
    """
    Tests for access to the API.
    """

    paths = (
        *("overview", "connections", "topics", "topic?topic=chat/a", "streams"),
        "refusals",
        "explain?user=ann&topic=chat/a",
    )

    async def statuses(self, **headers: str) -> set[tuple[int, str | None]]:
        """
        Return the status of every path, and its error if there is one.
        """
        found = set()
        for path in self.paths:
            status, body, _ = await self.http("GET", f"/internal/admin/{path}", **headers)
            found.add((status, body.get("error")))
        return found

    async def test_key(self) -> None:
        """
        The API accepts the secret key and no other credential.
        """
        token = jwt.encode({"sub": "ann"}, TOKEN_SECRET, "HS256")
        for credential, answer in (
            (None, (401, "unauthorized")),
            ("sk_of_nobody_0123456", (401, "unauthorized")),
            (PUBLIC_KEY, (403, "forbidden")),
            (token, (403, "forbidden")),
            (SECRET_KEY, (200, None)),
        ):
            headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
            self.assertEqual(await self.statuses(**headers), {answer}, credential)

    async def test_elsewhere(self) -> None:
        """
        The API refuses a request through a proxy and names the setting that would allow it.  With
        that setting it answers, and with the console off every path is 404.
        """
        headers = {"Authorization": f"Bearer {SECRET_KEY}", "X_Forwarded_For": "127.0.0.1"}
        self.assertEqual(await self.statuses(**headers), {(403, "forbidden")})
        _, body, _ = await self.http("GET", "/internal/admin/overview", **headers)
        self.assertIn("server.console", body["message"])
        for console, answer in (
            ("everywhere", (200, None)),
            ("off", (404, "not_found")),
            ("loopback", (403, "forbidden")),
        ):
            config = self.daemon.config
            await self.reload(replace(config, server=replace(config.server, console=console)))
            self.assertEqual(await self.statuses(**headers), {answer}, console)


class OverviewTests(ConsoleTests):
    """
    Tests for the overview.
    """

    async def samples(self, since: int = 0) -> list[dict[str, Any]]:
        """
        Wait until there is a sample.
        """
        while not (found := (await self.look("overview", since=since))["samples"]):
            await self.sleep(0.05)
        return list(found)

    async def test_overview(self) -> None:
        """
        The overview has the current numbers, and a sample for every second.
        """
        self.execute("CREATE TABLE orders (id INTEGER)")
        client = await self.subscribed("orders")
        client.tell({"type": "subscribe", "topic": "chat/a"})
        await client.frame()
        (*_, before) = await self.samples()
        self.execute("INSERT INTO orders VALUES (1), (2), (3)")
        await self.emit("e", 1, "chat/a")
        await client.frames(4)
        counted = {"publications": 0.0, "changes": 0.0, "deliveries": 0.0}
        at, spreads = before["at"], set()
        while counted["deliveries"] < 3.5:
            for sample in await self.samples(at):
                for name in counted:
                    counted[name] += sample[name] * (sample["at"] - at) / 1000
                at = sample["at"]
                spreads.update(name for name in ("feed", "publish") if sample[name])
        for name, value in {"publications": 1, "changes": 3, "deliveries": 4}.items():
            self.assertLess(abs(counted[name] - value), 0.5, name)
        self.assertEqual(spreads, {"feed", "publish"})
        overview = await self.look("overview")
        self.assertEqual(overview["project"], "p")
        self.assertEqual(overview["health"]["status"], "ok")
        self.assertEqual(overview["metrics"]["aerostack_connections"], 1)
        self.assertEqual(overview["feed"]["tables"], ["orders"])
        self.assertTrue(overview["feed"]["up"])
        self.assertLessEqual(overview["started"], before["at"])
        self.assertLessEqual(at, overview["now"])
        self.assertEqual((await self.look("overview", OTHER_SECRET))["feed"]["tables"], [])
        sample = overview["samples"][-1]
        self.assertEqual((sample["connections"], sample["subscriptions"]), (1, 2))


class ListTests(ConsoleTests):
    """
    Tests for the lists of connections and topics.
    """

    async def nextMillisecond(self) -> None:
        """
        Wait for the next millisecond of the clock: workers do not know in which order connections
        open within one.
        """
        now = int(time.time() * 1000)
        await self.until(lambda: int(time.time() * 1000) > now)

    async def test_connections(self) -> None:
        """
        Connections are listed in order of opening, in pages, and by user and by topic.
        """
        ann = await self.subscribed("chat/a", "ann")
        await self.nextMillisecond()
        await self.client("ben")
        await self.nextMillisecond()
        await self.subscribed("chat/a", "ben")
        ann.tell({"type": "track", "topic": "chat/a", "state": {}})
        await ann.frame()
        found = await self.look("connections")
        self.assertEqual((found["total"], found["more"]), (3, False))
        self.assertEqual([each["userId"] for each in found["connections"]], [ANN, BEN, BEN])
        first, second, third = found["connections"]
        opened = first.pop("opened")
        self.assertLessEqual(opened, third["opened"])
        self.assertEqual(
            first,
            {
                "id": first["id"],
                "userId": ANN,
                "role": "public key",
                "address": "127.0.0.1",
                "subscriptions": 1,
                "present": 1,
                "queued": 0,
                "congested": False,
                "compressed": False,
                "transport": "websocket",
            },
        )
        page = await self.look("connections", limit=2)
        self.assertEqual((len(page["connections"]), page["total"], page["more"]), (2, 3, True))
        page = await self.look("connections", limit=2, after=second["id"])
        self.assertEqual(([each["id"] for each in page["connections"]]), [third["id"]])
        self.assertFalse(page["more"])
        await self.leave(ann)
        page = await self.look("connections", after=first["id"])
        self.assertEqual([each["id"] for each in page["connections"]], [second["id"], third["id"]])
        self.assertEqual((await self.look("connections", user=BEN))["total"], 2)
        await self.subscribed("chat/a", "ann")
        self.assertEqual((await self.look("connections", topic="chat/a"))["total"], 2)
        both = await self.look("connections", topic="chat/a", user=BEN)
        self.assertEqual([each["id"] for each in both["connections"]], [third["id"]])
        self.assertEqual((await self.look("connections", OTHER_SECRET))["total"], 0)

    async def test_refusals(self) -> None:
        """
        What was refused, over HTTP or on a connection, in any process, is listed for the
        operator of its project and counted by code.
        """
        for _ in range(3):
            wire = await self.wire()
            opening = wire.upgrade("/api/realtime?projectId=p", {"Origin": "http://evil.test"})
            await self.assertFailure(opening, Refused)
        ann = await self.subscribed("chat/a", "ann")
        ann.tell({"type": "publish", "topic": "table/orders", "event": "e", "data": 1, "id": "1"})
        await ann.frame()
        await self.http("GET", "/nothing")
        wanted = {
            ("origin_not_allowed", "p", "http://evil.test", "GET /api/realtime", None): 3,
            ("forbidden", "p", None, "publish table/orders/p", ANN): 1,
            ("not_found", None, None, "GET /nothing", None): 1,
        }
        found: dict[tuple[Any, ...], int] = {}
        while found != wanted:
            # Workers say once a second what they have refused.
            rows = (await self.look("refusals"))["refusals"]
            names = ("code", "project", "origin", "request", "userId")
            found = {tuple(row[name] for name in names): row["count"] for row in rows}
        self.assertEqual({row["address"] for row in rows}, {"127.0.0.1"})
        others = (await self.look("refusals", OTHER_SECRET))["refusals"]
        self.assertEqual([row["code"] for row in others], ["not_found"])
        response = await treq.get(
            f"http://127.0.0.1:{self.port}/metrics",
            headers={"Authorization": f"Bearer {SECRET_KEY}"},
            agent=Agent(self.reactor, pool=self.pool),
        )
        metrics = await response.text()
        for code, count in (("origin_not_allowed", 3), ("forbidden", 1), ("stale", 0)):
            self.assertIn(f'aerostack_refusals_total{{code="{code}"}} {count}.0\n', metrics)

    async def test_topics(self) -> None:
        """
        A topic is listed, by name, if it has a subscriber, a member or a kept message.
        """
        self.execute("CREATE TABLE orders (id INTEGER)")
        client = await self.subscribed("orders", "ann")
        client.tell({"type": "track", "topic": "room/b", "state": {"name": "Ann"}})
        await client.frame()
        await self.emit("e", 1, "chat/a", persist=True)
        found = await self.look("topics")
        self.assertEqual((found["total"], found["more"]), (3, False))
        chat, room, orders = found["topics"]
        self.assertTrue(chat.pop("pos"))
        self.assertGreater(chat.pop("bytes"), 0)
        self.assertEqual(
            chat,
            {
                "topic": "chat/a/p",
                "table": None,
                "subscribers": 0,
                "present": 0,
                "published": 1,
                "held": 1,
            },
        )
        self.assertEqual((room["topic"], room["present"], room["held"]), ("room/b/p", 1, 0))
        self.assertEqual(
            (orders["topic"], orders["table"], orders["subscribers"], orders["published"]),
            ("table/orders/p", "orders", 1, 0),
        )
        page = await self.look("topics", limit=1, after="chat/a/p")
        self.assertEqual(([each["topic"] for each in page["topics"]]), ["room/b/p"])
        self.assertTrue(page["more"])
        self.assertEqual((await self.look("topics", prefix="table/"))["total"], 1)
        self.assertEqual((await self.look("topics", OTHER_SECRET))["total"], 0)

    async def test_topic(self) -> None:
        """
        A topic is shown with its members, its subscriptions and their arguments.
        """
        self.execute("CREATE TABLE orders (id INTEGER, status TEXT)")
        client = await self.client("ann")
        client.tell(
            {
                "type": "subscribe",
                "topic": "orders",
                "filter": {"status": "new"},
                "columns": ["id"],
                "event": "INSERT",
            }
        )
        await client.frame()
        client.tell({"type": "track", "topic": "orders", "state": {"name": "Ann"}})
        await client.frame()
        found = await self.look("topic", topic="orders")
        (connection,) = (await self.look("connections"))["connections"]
        self.assertEqual(found["membersTotal"], 1)
        self.assertEqual(
            found["members"],
            [{"userId": ANN, "connectionId": connection["id"], "state": {"name": "Ann"}}],
        )
        self.assertEqual(
            found["subscriptions"],
            [
                {
                    "connection": connection["id"],
                    "userId": ANN,
                    "filter": {"status": "new"},
                    "columns": ["id"],
                    "events": "INSERT",
                    "state": "live",
                    "queued": 0,
                    "congested": False,
                }
            ],
        )
        nobody = await self.look("topic", topic="chat/nobody")
        self.assertEqual((nobody["subscribers"], nobody["published"]), (0, None))

    async def test_wrong(self) -> None:
        """
        The API answers malformed arguments with an error.
        """
        for path, status, error in (
            ("topic", 400, "invalid_arguments"),
            ("topic?topic=chat/a/other", 403, "wrong_project"),
            ("topic?topic=chat//a", 400, "invalid_topic"),
            ("topics?limit=0", 400, "invalid_arguments"),
            ("connections?limit=many", 400, "invalid_arguments"),
            ("overview?since=-1", 400, "invalid_arguments"),
            ("nothing", 404, "not_found"),
        ):
            found, body, _ = await self.http(
                "GET", f"/internal/admin/{path}", Authorization=f"Bearer {SECRET_KEY}"
            )
            self.assertEqual((found, body["error"]), (status, error), path)
