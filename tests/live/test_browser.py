"""
The daemon with a real browser.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from aerostack.settings.projects import ProjectConfig
from aerostack.settings.settings import Config
from aerostack.testing import makeProject
from tests.live.browser import LOOKS, SCREENSHOTS, Browser
from tests.live.daemon import DaemonTests

TEXT = "return [...document.querySelectorAll('#frames li')].map(item => item.innerText)"

# What the public TypeScript client does with a WebSocket, in a page.
CONNECT = """
    window.frames_ = [];
    const url = `ws://127.0.0.1:${arguments[0]}/api/realtime?projectId=p&userId=ann`;
    window.mine_ = new WebSocket(url, arguments[1]);
    mine_.onopen = () => mine_.send(JSON.stringify({type: 'subscribe', topic: 'chat/x/p'}));
    mine_.onmessage = (event) => frames_.push(JSON.parse(event.data));
    mine_.onclose = (event) => window.closed_ = event.code;
"""


KEYED_PUBLIC = "pk_of_keyed_89abcdef"


class PageTests(DaemonTests):
    """
    Runs headless Chromium beside the daemon.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        profile = Path(self.mktemp()).absolute()
        profile.mkdir()
        self.browser = Browser(self.reactor, profile)
        await self.browser.start()
        self.addCleanup(self.browser.stop)
        self.page = f"http://127.0.0.1:{self.port}/"

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(origins=("http://127.0.0.1:*",))}

    async def shows(self, text: str) -> None:
        """Wait until the page's list contains a text."""
        await self.browser.until(
            f"return (() => {{ {TEXT} }})().some(item => item.includes(arguments[0]))", text
        )

    async def watches(self, topic: str) -> None:
        """Wait until the page says that it watches a topic."""
        await self.browser.until(
            "return document.getElementById('state').innerText === `Watching ${arguments[0]}.`",
            topic,
        )


class BrowserTests(PageTests):
    """
    Tests for the daemon's start page and for pages of other origins.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        keyed = makeProject(
            id="keyed",
            publicKey=KEYED_PUBLIC,
            secretKey="sk_of_keyed_89abcdef",
            anonymous=False,
            origins=("http://127.0.0.1:*",),
        )
        return {**super().projects(), "keyed": keyed}

    async def test_rowReachesPage(self) -> None:
        """
        The daemon's start page shows a row that the sqlite3 shell writes.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        await self.browser.open(f"{self.page}?topic=orders")
        await self.watches("orders")
        # Without a time-out the shell fails where the daemon writes at the same moment.
        insert = "INSERT INTO orders (status) VALUES ('brand new')"
        subprocess.run(["sqlite3", "-cmd", ".timeout 60000", str(self.path), insert], check=True)
        await self.shows("brand new")
        self.assertEqual(await self.browser.complaints(), [])

    async def test_publishedFromPage(self) -> None:
        """
        An event that is published on the page reaches the page itself and other clients.  The test
        takes pictures of the page in each look.
        """
        other = await self.subscribed("chat/general")
        await self.browser.open(self.page)
        await self.watches("chat/general")
        await self.browser.run(
            "document.getElementById('data').value = '{\"text\": \"from the page\"}';"
            "document.getElementById('publish').click()"
        )
        self.assertEqual((await other.frame())["data"], {"text": "from the page"})
        await self.shows("from the page")
        await self.browser.screenshot("page")
        # The header of a PNG has its width.
        for look, (width, _, _) in LOOKS.items():
            picture = (SCREENSHOTS / f"page-{look}.png").read_bytes()
            self.assertEqual(int.from_bytes(picture[16:20], "big"), width, look)

    async def test_linesToCopy(self) -> None:
        """
        The lines of code that the page shows are a working page that shows changes.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        await self.browser.open(f"{self.page}?topic=orders")
        await self.watches("orders")
        lines = await self.browser.run("return document.getElementById('lines').textContent")
        self.assertLessEqual(len(lines.splitlines()), 20)
        root = Resource()
        root.putChild(b"live.html", Data(lines.encode(), "text/html"))
        root.putChild(b"favicon.ico", Data(b"", "image/png"))
        elsewhere = self.reactor.listenTCP(0, Site(root), interface="127.0.0.1")
        self.addCleanup(elsewhere.stopListening)
        # The browser may keep the previous page and its connection.
        before = set(self.front.hub.registry.subscribers("table/orders/p"))
        await self.browser.open(f"http://127.0.0.1:{elsewhere.getHost().port}/live.html")
        await self.until(
            lambda: set(self.front.hub.registry.subscribers("table/orders/p")) - before
        )
        self.execute("INSERT INTO orders (status) VALUES ('<b>brand new</b>')")
        shown = "return document.getElementById('list').innerText"
        await self.browser.until(f"return (() => {{ {shown} }})().includes('brand new')")
        self.assertEqual(
            await self.browser.run(shown), 'INSERT {"id":1,"status":"<b>brand new</b>"}'
        )
        self.assertEqual(await self.browser.complaints(), [])

    async def test_missingTable(self) -> None:
        """
        For a table that is missing the page shows the line that makes it, and watches the table
        once another program has made it.
        """
        await self.browser.open(f"{self.page}?topic=orders")
        line = "return document.getElementById('table').checkVisibility() && table.innerText"
        statement = await self.browser.until(line)
        self.execute(statement)
        await self.watches("orders")
        row = await self.browser.run("return document.getElementById('row').innerText")
        self.execute(row)
        await self.shows("INSERT")
        self.assertFalse(await self.browser.run(line))
        self.assertFalse(
            await self.browser.run("return document.getElementById('make').checkVisibility()")
        )
        # A topic that cannot be is refused beside its field, and nothing of it is in the list.
        await self.browser.run(
            """
            document.getElementById("topic").value = "chat/" + "x".repeat(300);
            document.getElementById("watch").click();
            """
        )
        await self.browser.until(
            "return document.getElementById('state').innerText.includes('at most 255 characters')"
        )
        await self.browser.look("phone")
        frames = await self.browser.run("return document.getElementById('frames').innerText")
        width = await self.browser.run("return document.documentElement.scrollWidth")
        self.assertEqual((frames, width), ("", LOOKS["phone"][0]))

    async def test_key(self) -> None:
        """
        The page says that a project needs its key, in the words of its own fields, and watches
        once it has the key.
        """
        await self.browser.open(self.page)
        await self.watches("chat/general")
        fill = """
            for (const [id, text] of Object.entries(arguments[0]))
              document.getElementById(id).value = text;
            document.getElementById("watch").click();
        """
        await self.browser.run(fill, {"project": "keyed"})
        await self.browser.until(
            "return document.getElementById('state').innerText"
            " === 'The project keyed needs its public key.'"
        )
        visible = "return document.getElementById('key').checkVisibility()"
        self.assertTrue(await self.browser.run(visible))
        await self.browser.run(fill, {"key": KEYED_PUBLIC})
        await self.watches("chat/general")

    async def test_links(self) -> None:
        """
        A message that names a document links to it, and has no other markup.
        """
        await self.browser.open(self.page)
        shown = await self.browser.run(
            """
            return import("/shared/dom.js").then(({setLinked}) => {
              const line = document.createElement("p");
              setLinked(line, "<b>: docs/database.rst says it, docs/x/y.rst not.");
              return line.innerHTML;
            });
            """
        )
        link = f'<a href="{self.page}docs/database.html">docs/database.rst</a>'
        self.assertEqual(shown, f"&lt;b&gt;: {link} says it, docs/x/y.rst not.")
        answer = await self.browser.run("return fetch('/docs/database.html').then((it) => it.ok)")
        self.assertTrue(answer)

    async def test_phone(self) -> None:
        """
        The page is no wider than a phone.
        """
        await self.browser.open(f"{self.page}?topic=orders")
        await self.browser.look("phone")
        await self.browser.until("return document.getElementById('lines').textContent")
        width = "return document.documentElement.scrollWidth"
        self.assertEqual(await self.browser.run(width), LOOKS["phone"][0])

    async def test_credentialsAsSubprotocols(self) -> None:
        """
        A browser that offers its key as a subprotocol can connect, and stays connected.
        """
        await self.browser.open(self.page)
        await self.browser.run(
            CONNECT, self.port, ["aerostack-key.pk_0123456789abcdef", "aerostack-v1"]
        )
        await self.browser.until("return frames_.some(frame => frame.type === 'subscribed')")
        self.assertEqual(await self.browser.run("return mine_.protocol"), "aerostack-v1")
        await self.emit("message", {"n": 1}, "chat/x")
        await self.browser.until("return frames_.some(frame => frame.event === 'message')")

    async def test_foreignPage(self) -> None:
        """
        A page of an origin that is not allowed cannot connect, and learns why from the client.
        """
        root = Resource()
        root.putChild(b"", Data(b"<p>elsewhere</p>", "text/html"))
        elsewhere = self.reactor.listenTCP(0, Site(root), interface="127.0.0.1")
        self.addCleanup(elsewhere.stopListening)
        origin = f"http://localhost:{elsewhere.getHost().port}"
        await self.browser.open(f"{origin}/")
        await self.browser.run(CONNECT, self.port, ["aerostack-v1"])
        await self.browser.until("return window.closed_")
        await self.browser.run(
            """
            const [baseUrl] = arguments;
            import(`${baseUrl}client/realtime.js`).then(({ RealtimeClient }) => {
              const onError = (error) => (window.error_ = `${error.code}: ${error.message}`);
              new RealtimeClient({ baseUrl, projectId: "p", onError }).connect().catch(() => {});
            });
            """,
            self.page,
        )
        await self.browser.until("return window.error_")
        error = await self.browser.run("return window.error_")
        self.assertIn(f"origin_not_allowed: Pages of {origin} are not let in; add it to", error)
        self.assertEqual(self.connected, 0)

    async def test_pageComesBack(self) -> None:
        """
        When the daemon is restarted, an open page reconnects by itself and resumes.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await self.browser.open(f"{self.page}?topic=orders")
        await self.watches("orders")
        port = self.port
        await self.stop()
        await self.browser.until("return document.getElementById('status').innerText.match(/Not/)")
        await self.start(port)
        await self.browser.until(
            "return document.getElementById('status').dataset.status === 'connected'"
        )
        await self.until(lambda: self.topics.get("table/orders/p"))
        self.execute("INSERT INTO orders VALUES (77)")
        await self.shows("77")


class CompressionTests(PageTests):
    """
    Tests for compression, which browsers offer by themselves.
    """

    def config(self) -> Config:
        config = super().config()
        server = replace(config.server, compression=True, compressionThreshold=0)
        return replace(config, server=server)

    async def test_agreed(self) -> None:
        """
        With compression a browser reads compressed frames, and the daemon reads the browser's.
        """
        await self.browser.open(self.page)
        await self.browser.run(CONNECT, self.port, ["aerostack-v1"])
        await self.browser.until("return frames_.some(frame => frame.type === 'subscribed')")
        self.assertIn("permessage-deflate", await self.browser.run("return mine_.extensions"))
        await self.browser.run(
            "mine_.send(JSON.stringify({type: 'publish', topic: 'chat/x', event: 'e',"
            " data: 'ä🙂'.repeat(20000)}))"
        )
        await self.browser.until("return frames_.some(frame => frame.data === 'ä🙂'.repeat(20000))")
