"""
The React examples, in a browser.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from aerostack.settings.projects import JWTConfig
from aerostack.settings.settings import Config, TopicConfig
from aerostack.testing import TOKEN_SECRET
from tests.live.clients import makeToken
from tests.live.test_browser import PageTests
from tests.web import EXAMPLES, HERE, Workshop
from tests.web.documents import codeBlocks
from tests.web.test_package import DOCUMENT

HTML = b"""<!doctype html>
<link rel="icon" href="data:,">
<div id="root"></div>
<script type="module" src="app.js"></script>
"""

(HOOKS,) = [code for _, code in codeBlocks(DOCUMENT) if "function Room" in code]
(TABLE_PAGE,) = [code for language, code in codeBlocks(DOCUMENT) if language == "html"]


class ReactTests(PageTests):
    """
    Runs a page of another origin, in React's strict mode, beside the daemon.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")

    def config(self) -> Config:
        config = super().config()
        signed = JWTConfig(algorithm="HS256", key=TOKEN_SECRET)
        project = replace(config.projects["p"], jwt=signed)
        topics = {"state/*": TopicConfig(keyed=True)}
        return replace(config, topics=topics, projects={"p": project})

    async def serve(self, **files: tuple[bytes, str]) -> str:
        """
        Serve files to the browser.

        @param files: Contents and types; C{index} is the root.
        @return: The address of the files.
        """
        root = Resource()
        for name, (content, kind) in files.items():
            root.putChild(b"" if name == "index" else f"{name}.js".encode(), Data(content, kind))
        site = self.reactor.listenTCP(0, Site(root), interface="127.0.0.1")
        self.addCleanup(site.stopListening)
        return f"http://127.0.0.1:{site.getHost().port}/"

    async def openExamples(self) -> None:
        """
        Build the page, and open it.
        """
        files = [HERE / "apps" / "react.jsx", EXAMPLES / "orders" / "LiveFeed.jsx"]
        workshop = Workshop(self.directory / "workshop", files)
        (workshop.folder / "hooks.tsx").write_text(HOOKS)
        script = workshop.bundle("react.jsx")
        page = await self.serve(index=(HTML, "text/html"), app=(script, "text/javascript"))
        await self.browser.open(f"{page}?baseUrl=http://127.0.0.1:{self.port}")

    async def show(self, **change: Any) -> None:
        """
        Mount and unmount components.
        """
        await self.browser.run("show(arguments[0])", change)

    async def reads(self, where: str, text: str) -> None:
        """
        Wait until an element of the page has a text.
        """
        await self.browser.until(
            "return document.getElementById(arguments[0])?.innerText === arguments[1]", where, text
        )

    async def watchers(self, topic: str, count: int) -> None:
        """
        Wait until a topic has a number of subscribers in the daemon.
        """
        while len(self.front.hub.registry.subscribers(f"{topic}/p")) != count:
            await self.sleep(0.02)

    async def isFollowed(self) -> None:
        """
        Wait until the page has the subscription to C{orders} that its components want now.  The
        daemon may still have the one of before.
        """
        await self.browser.until("return realtime.channel('orders').state === 'subscribed'")

    async def test_quickStart(self) -> None:
        """
        The quick start runs unchanged.  Strict mode opens one connection, and after any number of
        mounts nothing is left of the component.
        """
        await self.openExamples()
        await self.watchers("table/orders", 1)
        await self.query("INSERT INTO orders VALUES (1, 'new'), (2, 'new')")
        await self.reads("feed", "new\nnew")
        await self.query("UPDATE orders SET status = ? WHERE id = ?", ["shipped", 1])
        await self.reads("feed", "new\nshipped")
        for _ in range(5):
            await self.show(feed=False)
            await self.show(feed=True)
        await self.isFollowed()
        await self.watchers("table/orders", 1)
        # A callback that was not removed would add a line of its own.
        await self.query("INSERT INTO orders VALUES (3, 'third')")
        await self.reads("feed", "third")
        await self.show(feed=False)
        await self.watchers("table/orders", 0)
        self.assertEqual(self.connected, 1)

        await self.show(provider=False)
        while self.connected:
            await self.sleep(0.02)
        await self.show(provider=True, feed=True)
        await self.watchers("table/orders", 1)
        self.assertEqual(await self.browser.run("return opened"), 2)
        self.assertEqual(await self.browser.complaints(), [])

    async def test_views(self) -> None:
        """
        Components with other filters on one table show their own rows side by side, in their
        order and within their limit, and leave one by one.
        """
        for number, status in enumerate(("open", "paid", "open", "paid", "open"), 1):
            await self.query(f"INSERT INTO orders VALUES ({number}, '{status}')")
        await self.openExamples()
        await self.show(feed=False, greeter=False, orders=True, open=True)
        await self.reads("open", "5 3")
        await self.reads("paid", "4 2")
        await self.watchers("table/orders", 3)
        await self.query("INSERT INTO orders VALUES (6, 'paid')")
        await self.reads("paid", "6 4")
        await self.query("UPDATE orders SET status = 'open' WHERE id = 6")
        await self.reads("open", "6 5")
        await self.reads("paid", "4 2")
        await self.query("DELETE FROM orders WHERE id IN (4, 5)")
        await self.reads("open", "6 3")
        await self.reads("paid", "2")
        await self.show(orders=False)
        await self.watchers("table/orders", 2)
        await self.show(open=False)
        await self.watchers("table/orders", 0)
        self.assertEqual(await self.browser.complaints(), [])

    async def test_sharedState(self) -> None:
        """
        Components show the values of a keyed topic, set, change and remove them.
        """
        await self.openExamples()
        await self.emit("set", 1, "state/board", key="a")
        await self.show(feed=False, greeter=False, board=True)
        await self.reads("board", "a1")
        await self.browser.run("board.set('b', 2)")
        await self.reads("board", "a1 b2")
        await self.emit("set", 5, "state/board", key="a")
        await self.reads("board", "b2 a5")
        await self.browser.run("board.update('b', (data) => data + 1)")
        await self.reads("board", "a5 b3")
        await self.browser.run("board.remove('a')")
        await self.reads("board", "b3")
        await self.show(board=False)
        await self.watchers("state/board", 0)
        self.assertEqual(await self.browser.complaints(), [])

    async def test_retry(self) -> None:
        """
        A component whose table is missing shows the error, and asks again when it is told to.
        """
        await self.openExamples()
        await self.show(feed=False, greeter=False, late=True)
        await self.reads("late", "unknown_table")
        self.execute("CREATE TABLE late (id INTEGER PRIMARY KEY)", "INSERT INTO late VALUES (7)")
        await self.browser.run("retry()")
        await self.reads("late", "7")

    async def test_signedOut(self) -> None:
        """
        When the token of the provider goes, so does the connection that was opened with it, and the
        components go on without a user.
        """
        watcher = await self.subscribed("doc/1")
        await self.openExamples()
        await self.browser.until("return greeted.length === 2")
        await self.show(feed=False, greeter=False, provider=False)
        await self.show(provider=True, cursor=["doc/1", 1], token=makeToken("eve"))
        joined = await watcher.frame()
        self.assertEqual((joined["event"], joined["data"]["userId"]), ("presence:join", "eve"))
        opened = await self.browser.run("return opened")
        await self.show(token=makeToken("eve", jti="another"))
        await self.show(token=None)
        told = [await watcher.frame(), await watcher.frame()]
        self.assertEqual(
            {(frame["event"], frame["data"]["userId"]) for frame in told},
            {("presence:leave", "eve"), ("presence:join", "anonymous:ann")},
        )
        self.assertEqual(await self.browser.run("return opened"), opened + 1)
        self.assertEqual(await self.browser.complaints(), [])

    async def test_hooks(self) -> None:
        """
        Components share a subscription, and leave it one by one.  Rows, presence, history and
        publishing work.
        """
        await self.query("INSERT INTO orders VALUES (1, 'there before')")
        for n in range(30):
            await self.emit("message", {"text": f"m{n}"}, "chat/x", persist=True)
        await self.openExamples()
        await self.show(feed=False)
        await self.show(orders=True, last=True)
        await self.reads("orders", "there before")
        await self.query("UPDATE orders SET status = 'changed'")
        await self.reads("orders", "changed")
        await self.show(orders=False)
        await self.query("INSERT INTO orders VALUES (2, 'b')")
        await self.reads("last", '{"id":2,"status":"b"}')
        await self.show(feed=True, last=False)
        await self.isFollowed()
        await self.query("INSERT INTO orders VALUES (3, 'c')")
        await self.reads("feed", "c")

        await self.show(room="chat/x")
        room = "document.getElementById('room')"
        await self.browser.until(f"return {room}.innerText.includes('1 here')")
        await self.browser.until(f"return {room}.querySelectorAll('p').length === 21")
        await self.browser.run(f"{room}.querySelector('button').click()")
        await self.browser.until(f"return {room}.querySelectorAll('p').length === 31")
        texts = await self.browser.run(
            f"return [...{room}.querySelectorAll('p')].map((it) => it.innerText)"
        )
        self.assertEqual(texts, [*(f"m{n}" for n in range(30)), "1 here"])

        bob = await self.subscribed("chat/x", "bob")
        self.assertEqual((await bob.frame())["event"], "presence:sync")
        bob.tell({"type": "track", "topic": "chat/x", "state": {}})
        await self.browser.until(f"return {room}.innerText.includes('2 here')")
        await self.browser.run(f"[...{room}.querySelectorAll('button')].at(-1).click()")
        await self.browser.until(f"return {room}.innerText.includes('hello\\n\\n2 here')")
        await self.show(room="chat/y")
        await self.browser.until(f"return {room}.innerText.includes('1 here')")
        # Live messages belong to the component, kept ones to the topic.
        await self.browser.until(f"return {room}.querySelectorAll('p').length === 2")
        left = [frame["event"] for frame in await bob.frames(4)]
        self.assertEqual(left, ["presence:join", "presence:sync", "message", "presence:leave"])
        await self.show(room=None)
        await self.watchers("chat/y", 0)
        self.assertEqual(await self.browser.complaints(), [])

    async def test_props(self) -> None:
        """
        A hook that gets another topic leaves the previous one, whatever other props change, and
        late frames of that topic are not shown.
        """
        one, two = [await self.subscribed(topic) for topic in ("doc/1", "doc/2")]
        await self.openExamples()
        await self.show(feed=False, cursor=["doc/1", 1])
        self.assertEqual((await one.frame())["event"], "presence:join")
        await self.show(cursor=["doc/2", 2])
        self.assertEqual((await one.frame())["event"], "presence:leave")
        self.assertEqual((await two.frame())["data"]["state"], {"line": 2})
        await self.show(cursor=None)
        self.assertEqual((await two.frame())["event"], "presence:leave")
        one.tell({"type": "ping"})
        self.assertEqual((await one.frame())["type"], "pong")

        await self.emit("message", {"text": "late"}, "chat/slow", persist=True)
        await self.emit("message", {"text": "right"}, "chat/x", persist=True)
        await self.show(room="chat/slow")
        await self.show(room="chat/x")
        room = "document.getElementById('room')"
        await self.browser.until(f"return {room}.innerText.includes('right')")
        await self.browser.run(
            "answerSlowly(); return new Promise((resolve) => setTimeout(resolve, 200));"
        )
        self.assertNotIn("late", await self.browser.run(f"return {room}.innerText"))
        self.assertEqual(await self.browser.complaints(), [])

    async def test_history(self) -> None:
        """
        An event that is published in an effect is kept, also in strict mode.  A history has each
        page once, however often C{loadMore} is called, and begins anew on request.
        """
        for n in range(30):
            await self.emit("message", n, "chat/past", persist=True)
        await self.openExamples()
        # Strict mode runs each effect twice.
        await self.browser.until("return greeted.length === 2")
        self.assertEqual(await self.browser.run("return greeted"), ["kept", "kept"])

        await self.show(past=True)
        await self.reads("past", " ".join(map(str, range(29, 19, -1))))
        self.assertIs(await self.browser.run("return first"), True)
        # Like a component that was rendered before the page arrived.
        await self.browser.run(
            "const { loadMore } = past; loadMore(); loadMore();"
            " return loadMore().then(loadMore).then(loadMore)"
        )
        await self.browser.until("return !past.loading")
        await self.browser.run("return past.loadMore()")
        await self.reads("past", " ".join(map(str, range(29, -1, -1))))
        await self.emit("message", 30, "chat/past", persist=True)
        await self.browser.run("past.loadMore(); return past.reload()")
        await self.reads("past", " ".join(map(str, range(30, 20, -1))))
        self.assertEqual(await self.browser.complaints(), [])

    async def test_pageOfOnesOwn(self) -> None:
        """
        The first page of the documentation shows a table's rows and their changes.
        """
        await self.query("INSERT INTO orders VALUES (1, 'new')")
        page = TABLE_PAGE.replace(":8787", f":{self.port}").replace('"local"', '"p"')
        await self.browser.open(await self.serve(index=(page.encode(), "text/html")))
        await self.reads("orders", "1: new")
        await self.query("INSERT INTO orders VALUES (2, 'newer')")
        await self.reads("orders", "1: new\n2: newer")
        port = self.port
        await self.stop()
        self.execute("DELETE FROM orders WHERE id = 1")
        await self.start(port)
        await self.reads("orders", "2: newer")
