"""
The quick start and the use cases of the product's first document.
"""

from __future__ import annotations

from twisted.internet.threads import deferToThread

from aerostack.testing import SECRET_KEY
from tests.examples.test_seed import SAY, SERVER
from tests.live.daemon import DaemonTests, gather
from tests.web import Workshop, run

SERVER_HEAD = """
import {{ ServerSDK }} from "aerostack-rt/server";

const sdk = new ServerSDK({{
  baseUrl: "http://127.0.0.1:{port}",
  secretKey: "{key}",
  timeout: 600_000,
}});
const orderId = 1;
const [text, author, timestamp] = ["hello", "ann", 5];
"""
"""What a server has before the lines of the document."""


class QuickStartTests(DaemonTests):
    """
    Tests for each use case of the document, done as it says.
    """

    async def test_liveFeed(self) -> None:
        """
        A page that subscribes to C{orders} gets a server's insert, its update and its event, in
        that order.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        page = await self.subscribed("orders")
        orderId = 1
        await self.query("INSERT INTO orders (id, status) VALUES (?, ?)", [orderId, "new"])
        inserted = await page.frame()
        self.assertEqual(inserted["operation"], "INSERT")
        self.assertEqual(inserted["data"], {"id": 1, "status": "new"})

        await self.query("UPDATE orders SET status = ? WHERE id = ?", ["shipped", orderId])
        updated = await page.frame()
        self.assertEqual(updated["operation"], "UPDATE")
        self.assertEqual(updated["data"], {"id": 1, "status": "shipped"})
        self.assertEqual(updated["old"], {"id": 1, "status": "new"})

        await self.emit("order:updated", {"id": orderId, "status": "shipped"}, "orders")
        event = await page.frame()
        self.assertEqual(
            (event["type"], event["topic"], event["event"], event["data"]),
            ("event", "table/orders/p", "order:updated", {"id": 1, "status": "shipped"}),
        )

    async def test_server(self) -> None:
        """
        The lines for servers compile with strict TypeScript, and do what they say.
        """
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)",
            "INSERT INTO orders VALUES (1, 'new')",
        )
        page, room = [await self.subscribed(topic) for topic in ("orders", "chat/engineering")]
        code = SERVER_HEAD.format(port=self.port, key=SECRET_KEY) + SERVER + SAY
        workshop = Workshop(self.directory / "server", {"server.ts": code})
        await deferToThread(workshop.check, "server.ts")
        await deferToThread(workshop.bundle, "server.ts")
        await deferToThread(run, "node", "bundle.js", folder=workshop.folder)
        frames = await page.frames(2)
        told = {frame.get("event", frame.get("operation")): frame["data"] for frame in frames}
        shipped = {"id": 1, "status": "shipped"}
        self.assertEqual(told, {"UPDATE": shipped, "order:updated": shipped})
        message = await room.frame()
        self.assertEqual(message["data"], {"text": "hello", "author": "ann", "timestamp": 5})

    async def test_databaseChangesAreAutomatic(self) -> None:
        """
        Subscribers of a table get changes of every writer.
        """
        self.execute("CREATE TABLE deployments (name TEXT PRIMARY KEY, state TEXT)")
        dashboard = await self.subscribed("deployments")
        self.execute("INSERT INTO deployments VALUES ('web', 'building')")
        self.execute("UPDATE deployments SET state = 'live'", "DELETE FROM deployments")
        changes = await dashboard.frames(3)
        self.assertEqual([c["operation"] for c in changes], ["INSERT", "UPDATE", "DELETE"])
        self.assertEqual(changes[2]["data"], {"name": "web", "state": "live"})

    async def test_chatRoom(self) -> None:
        """
        An event that a server emits to a chat room reaches all subscribers, and with C{persist} it
        is in the history.
        """
        members = [await self.subscribed("chat/engineering", name) for name in ("ann", "bob")]
        message = {"text": "hello", "author": "ann", "timestamp": 1}
        await self.emit("message", message, "chat/engineering", persist=True)
        for member in members:
            self.assertEqual((await member.frame())["data"], message)
        _, history, _ = await self.http(
            "GET",
            "/api/v1/public/realtime/history?room=chat/engineering&limit=10",
            X_Aerostack_Key="pk_0123456789abcdef",
        )
        self.assertEqual([m["data"] for m in history["messages"]], [message])

    async def test_chatFromClients(self) -> None:
        """
        A message that a user sends with C{chat} reaches all others in the chat room, and is kept.
        """
        ann, bob = [await self.subscribed("chat/engineering", name) for name in ("ann", "bob")]
        ann.tell({"type": "chat", "roomId": "engineering", "text": "hi", "metadata": {"a": 1}})
        for member in (ann, bob):
            frame = await member.frame()
            self.assertEqual((frame["type"], frame["event"]), ("chat_message", "message"))
            self.assertEqual((frame["userId"], frame["data"]["text"]), ("ann", "hi"))
        _, history, _ = await self.http(
            "GET",
            "/api/v1/public/realtime/history?room=chat/engineering/p",
            X_Aerostack_Key="pk_0123456789abcdef",
        )
        (kept,) = history["messages"]
        self.assertEqual(kept["data"], frame["data"])
        self.assertEqual(kept["created_at"], frame["timestamp"])
        self.assertEqual((kept["room_id"], kept["user_id"]), ("chat/engineering/p", "ann"))

    async def test_collaborativeDocument(self) -> None:
        """
        Editors of a document exchange cursors without a server, and see the other editors.
        """
        ann, bob = [await self.subscribed("doc/7", name) for name in ("ann", "bob")]
        ann.tell({"type": "track", "topic": "doc/7", "state": {"status": "editing"}})
        self.assertEqual((await bob.frame())["event"], "presence:join")
        ann.tell({"type": "publish", "topic": "doc/7", "event": "cursor", "data": {"line": 3}})
        cursor = await bob.frame()
        self.assertEqual((cursor["userId"], cursor["data"]), ("ann", {"line": 3}))

    async def test_presence(self) -> None:
        """
        Subscribers get an event for each member that joins, changes and leaves.
        """
        watcher = await self.subscribed("page/home")
        sarah = await self.client("sarah")
        sarah.tell({"type": "track", "topic": "page/home", "state": {"typing": False}})
        sarah.tell({"type": "track", "topic": "page/home", "state": {"typing": True}})
        joined, updated = await watcher.frames(2)
        await sarah.closeCleanly()
        left = await watcher.frame()
        self.assertEqual(
            [
                (f["event"], f["data"]["userId"], f["data"]["state"])
                for f in (joined, updated, left)
            ],
            [
                ("presence:join", "sarah", {"typing": False}),
                ("presence:update", "sarah", {"typing": True}),
                ("presence:leave", "sarah", {"typing": True}),
            ],
        )

    async def test_aiTokens(self) -> None:
        """
        A thousand tokens reach every one of a hundred subscribers, complete and in order, and then
        the end.
        """
        watchers = await gather(*(self.subscribed("ai/answer") for _ in range(100)))
        tokens = [f"token-{n}" for n in range(1000)]
        for token in tokens:
            await self.emit("ai:token", {"token": token}, "ai/answer")
        await self.emit("ai:done", {"tokens": len(tokens)}, "ai/answer")
        for watcher in watchers:
            frames = await watcher.frames(1001)
            self.assertEqual([f["data"]["token"] for f in frames[:-1]], tokens)
            self.assertEqual(
                (frames[-1]["event"], frames[-1]["data"]), ("ai:done", {"tokens": 1000})
            )

    async def test_auction(self) -> None:
        """
        A bid is checked in the database, and every subscriber gets it at once.
        """
        self.execute(
            "CREATE TABLE bids (auction INTEGER PRIMARY KEY, amount INTEGER)",
            "INSERT INTO bids VALUES (1, 100)",
        )
        watchers = await gather(*(self.subscribed("auction/1") for _ in range(3)))
        for amount, accepted in ((90, False), (120, True)):
            answer = await self.query(
                "UPDATE bids SET amount = ? WHERE auction = 1 AND amount < ? RETURNING amount",
                [amount, amount],
            )
            self.assertEqual(bool(answer["results"]), accepted)
            if accepted:
                await self.emit("bid", {"amount": amount}, "auction/1")
        for watcher in watchers:
            self.assertEqual((await watcher.frame())["data"], {"amount": 120})
