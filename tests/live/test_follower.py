"""
An application on the JavaScript client, while everything around it fails.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from aerostack.testing import TOKEN_SECRET
from tests.live.browser import Browser
from tests.live.program import ProgramTests
from tests.live.relay import Relay
from tests.net import Child
from tests.web import HERE, Workshop, program

APPS = HERE / "apps"

START = """
    return import("/client/realtime.js").then(({ RealtimeClient }) => {
        window.app = follow(RealtimeClient);
    });
"""
SHOW = "return { ...app, realtime: app.realtime.status, ready: app.ready() };"


class Page:
    """
    The application in the daemon's start page.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    async def start(self, url: str) -> None:
        """
        Start the application, connected through an address.
        """
        await self._browser.open(f"{url}/")
        await self._browser.run((APPS / "follower.js").read_text())
        await self._browser.run(START)

    async def say(self) -> None:
        """
        Publish the next number in the chat room.
        """
        await self._browser.run("app.say()")

    async def show(self) -> dict[str, Any]:
        """
        Return what the application has received.
        """
        shown: dict[str, Any] = await self._browser.run(SHOW)
        return shown


class Node:
    """
    The application as a program on Node.js.

    @ivar child: Its process.
    """

    child: Child

    def __init__(self, reactor: Any, folder: Path) -> None:
        self._reactor = reactor
        self._folder = folder
        self._asked = 0

    async def start(self, url: str) -> None:
        """
        Start the application, connected through an address.
        """
        arguments = [str(self._folder / "node.js"), url]
        self.child = Child.spawn(self._reactor, arguments, program=program("node"))

    async def _ask(self, command: str) -> dict[str, Any]:
        self.child.transport.write(f"{command}\n".encode())
        self._asked += 1
        # Every answer is a line that ends with its number.
        await self.child.wrote(f"#{self._asked}\n")
        line = self.child.output.splitlines()[self._asked - 1]
        answer: dict[str, Any] = json.loads(line.rpartition("#")[0])
        return answer

    async def say(self) -> None:
        """
        Publish the next number in the chat room.
        """
        await self._ask("say")

    async def show(self) -> dict[str, Any]:
        """
        Return what the application has received.
        """
        return await self._ask("show")

    async def stop(self) -> int:
        """
        Disconnect.

        @return: The exit status of the process.
        """
        await self._ask("stop")
        return await self.child.ended


class FollowerTests(ProgramTests):
    """
    Everything arrives once and in order, whatever fails, and the application does nothing for it.
    """

    async def begin(self, app: Page | Node) -> None:
        """
        Start the daemon, a network that can be cut, and the application.
        """
        more = "anonymous = true\norigins = ['http://127.0.0.1:*']"
        text = self.configure(more=more).replace('origins = ["http://app.test"]', "")
        self.daemon = await self.serve(text)
        # One row exists before the application starts.
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY)", "INSERT INTO orders VALUES (1)"
        )
        self.relay = Relay(self.reactor, self.port)
        self.addCleanup(self.relay.stop)
        self.app = app
        self.rows, self.said = 1, 0
        await app.start(f"http://127.0.0.1:{self.relay.port}")
        await self.seen("ready")

    async def seen(self, what: str, least: int = 1) -> Any:
        """
        Wait until the application has received enough.
        """

        async def enough() -> Any:
            found = (await self.app.show())[what]
            return found if isinstance(found, list) and len(found) >= least else found is True

        return await self.until(enough)

    async def work(self) -> None:
        """
        Write to the table, and let the application publish.
        """
        for _ in range(5):
            self.rows += 1
            self.execute(f"INSERT INTO orders VALUES ({self.rows})")
            self.said += 1
            await self.app.say()

    async def complete(self) -> None:
        """
        Wait until everything has arrived, and check it.
        """
        await self.seen("rows", self.rows)
        await self.seen("heard", self.said)
        acked = await self.seen("acked", self.said)
        shown = await self.app.show()
        self.assertEqual(shown["rows"], list(range(1, self.rows + 1)))
        self.assertEqual(shown["inserted"], shown["rows"][1:])
        self.assertEqual(shown["heard"], list(range(1, self.said + 1)))
        self.assertEqual(acked, shown["heard"])
        self.assertEqual(shown["gaps"], [])

    async def lost(self) -> None:
        """
        Wait until the application has noticed that it is disconnected.
        """

        async def noticed() -> bool:
            return bool((await self.app.show())["realtime"] == "reconnecting")

        await self.until(noticed)

    async def endure(self) -> None:
        """
        Cut the network silently, and restore it; kill the daemon, and start it again.
        """
        await self.work()
        await self.complete()
        self.relay.cut()
        await self.work()
        await self.lost()
        self.relay.mend()
        await self.complete()

        self.daemon.signal("KILL")
        await self.daemon.ended
        await self.lost()
        await self.work()
        self.daemon = await self.serve()
        await self.complete()

    async def test_node(self) -> None:
        """
        On Node.js, with C{ws} as the WebSocket, the application gets everything once and in order.
        The process ends when the client has disconnected.
        """
        files = [APPS / "follower.js", APPS / "node.js"]
        workshop = Workshop(self.directory / "workshop", files)
        app = Node(self.reactor, workshop.folder)
        await self.begin(app)
        self.addCleanup(app.child.kill)
        await self.endure()
        self.assertEqual(await app.stop(), 0)
        self.assertEqual(app.child.errors, "")

    async def test_token(self) -> None:
        """
        A token that expires again and again is replaced, and the rows are kept up to date.
        """
        workshop = Workshop(self.directory / "workshop", [APPS / "token.js"])
        more = (
            "default_read = ['token']\n"
            f"[projects.p.jwt]\nalgorithm = 'HS256'\nkey = '{TOKEN_SECRET}'"
        )
        await self.serve(self.configure(more=more))
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        arguments = [
            str(workshop.folder / "token.js"),
            f"http://127.0.0.1:{self.port}",
            TOKEN_SECRET,
        ]
        app = Child.spawn(self.reactor, arguments, program=program("node"))
        self.addCleanup(app.kill)
        await app.wrote("subscribed")
        for number in range(1, 4):
            self.execute(f"INSERT INTO orders VALUES ({number})")
            await app.wrote(f"token_expired {number}\n")
        await app.wrote("row 3\n")
        rows = [line for line in app.output.splitlines() if line.startswith("row")]
        self.assertEqual(rows, ["row 1", "row 2", "row 3"])
        self.assertNotIn("gap", app.output)
        self.assertNotIn("error", app.output + app.errors)

    async def test_news(self) -> None:
        """
        The application is informed when the daemon cannot read changes and when the table is
        replaced, and its rows are kept up to date.
        """
        workshop = Workshop(self.directory / "workshop", [APPS / "news.js"])
        # In WAL mode no program can lock the daemon out.
        table = "CREATE TABLE orders (id INTEGER PRIMARY KEY, kind TEXT)"
        self.execute("PRAGMA journal_mode = DELETE", table)
        await self.serve(self.configure(more="anonymous = true"))
        url = f"http://127.0.0.1:{self.port}"
        app = Child.spawn(
            self.reactor, [str(workshop.folder / "news.js"), url], program=program("node")
        )
        self.addCleanup(app.kill)
        await app.wrote("subscribed\n")
        self.execute("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
        await app.wrote("row 1\n")
        with closing(sqlite3.connect(self.path, 60, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("INSERT INTO orders VALUES (3, 'a'), (4, 'b')")
            await app.wrote("feed down\n")
            connection.execute("COMMIT")
        await app.wrote("row 3\n")
        self.execute("DROP TABLE orders")
        await app.wrote("gap table_lost\n")
        self.execute(table, "INSERT INTO orders VALUES (5, 'a')")
        await app.wrote("row 5\n")
        lines = app.output.splitlines()
        # On a slow disk the feed is down more often.
        feeds = [line for line in lines if line.startswith("feed")]
        self.assertEqual(feeds[:2], ["feed down", "feed up"])
        self.assertEqual(set(feeds[::2]), {"feed down"})
        self.assertLessEqual(set(feeds[1::2]), {"feed up"})
        said = ["subscribed", "row 1", "row 3", "gap table_lost", "row 5"]
        self.assertEqual([line for line in lines if line in said], said)
        self.assertNotIn("error", app.output + app.errors)

    async def test_chromium(self) -> None:
        """
        In a page that stays open, the application gets everything once and in order, also when the
        browser reports that it is offline, and when the daemon stops in a planned way.
        """
        browser = Browser(self.reactor, self.directory)
        await browser.start()
        self.addCleanup(browser.stop)
        await self.begin(Page(browser))
        await self.endure()

        # Existing connections are left to the relay.
        await browser.setOffline(True)
        self.relay.cut()
        await self.lost()
        await self.work()
        self.relay.mend()
        await browser.setOffline(False)
        await self.complete()

        self.daemon.signal("TERM")
        await self.daemon.ended
        await self.work()
        self.daemon = await self.serve()
        await self.complete()
