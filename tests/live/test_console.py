"""
The console in a real browser: who may open it, and what it shows.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import LoopingCall

from aerostack.core.rows.journal import Holder, Lag
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from aerostack.tracker.tracker import ChangeTracker
from tests.live.consolepage import HOSTILE, ConsoleTests
from tests.live.daemon import gather
from tests.live.wire import Wire


class SigningInTests(ConsoleTests):
    """
    Who may look.
    """

    async def test_typed(self) -> None:
        """
        The key is typed in; one that is wrong is told and forgotten, the right one is kept
        across reloads until one signs out.
        """
        await self.console.open(None)
        await self.console.reads("signin", "Secret key of the project")
        await self.browser.screenshot("console-signin")
        await self.browser.press(*"sk_wrong_0123456789", "Enter")
        await self.console.reads("key-error", "key")
        self.assertEqual(await self.browser.run("return sessionStorage.length"), 0)
        await self.browser.run("document.getElementById('key').select()")
        await self.browser.press(*SECRET_KEY, "Enter")
        await self.console.says("Live")
        await self.console.reads("about", "Project p")
        self.assertEqual(
            await self.browser.run("return document.activeElement.id"), "overview-title"
        )
        await self.console.go("topics")
        await self.reload()
        await self.console.says("Live")
        await self.console.go("overview")
        await self.console.reads("tiles", "Connections")
        await self.console.click("leave")
        await self.console.reads("signin", "Secret key of the project")
        await self.console.says("Not signed in")
        # What was seen goes with the page that has seen it.
        await self.browser.until("return !document.getElementById('tiles').textContent")
        await self.browser.run("history.back()")
        await self.reload()
        await self.console.reads("signin", "Secret key of the project")

    async def reload(self) -> None:
        """
        Load the page anew, and wait until it is there.
        """
        await self.browser.run("document.body.dataset.old = 1; location.reload()")
        await self.browser.until(
            "return document.readyState === 'complete' && !document.body.dataset.old"
        )

    async def test_keptFromOtherPages(self) -> None:
        """
        Another page of the daemon's finds the key nowhere; who goes back to the console is
        signed in.
        """
        await self.console.open()
        await self.console.go("topics")
        await self.browser.open(self.page)
        seen = await self.browser.run(
            "return JSON.stringify([{...sessionStorage}, {...localStorage}, history.state,"
            " document.cookie, globalThis.navigation?.entries().map((it) => it.getState())])"
        )
        self.assertNotIn(SECRET_KEY, seen)
        await self.browser.run("history.back()")
        await self.console.says("Live")

    async def test_withoutStorage(self) -> None:
        """
        Where the browser lets pages store nothing, one signs in each time.
        """
        await self.browser.command(
            "Page.addScriptToEvaluateOnNewDocument",
            source="Object.defineProperty(window, 'sessionStorage',"
            " {get() { throw new DOMException('No.', 'SecurityError'); }})",
        )
        await self.console.open()
        await self.console.reads("tiles", "Connections")
        await self.console.open(None)
        await self.console.reads("signin", "Secret key of the project")

    async def test_inTheAddress(self) -> None:
        """
        A key in the address is taken out of it at once, and is not in the history.
        """
        await self.browser.open(f"{self.page}console")
        before = await self.browser.run("return history.length")
        await self.browser.open(f"{self.page}console#key={SECRET_KEY}")
        await self.console.says("Live")
        await self.console.go("topics")
        self.assertNotIn("key", await self.browser.run("return location.href"))
        await self.browser.run("history.back()")
        await self.browser.until("return !document.getElementById('overview').hidden")
        self.assertNotIn("key", await self.browser.run("return location.href"))
        self.assertLessEqual(await self.browser.run("return history.length"), before + 2)

    async def test_publicKey(self) -> None:
        """
        Who brings the public key is told that it takes the secret one, and can bring that.
        """
        await self.console.open(PUBLIC_KEY)
        await self.console.says("Refused: ")
        await self.console.reads("signin", "secret key")
        await self.console.fill("signin-form")
        await self.browser.run("document.getElementById('key').value = arguments[0]", SECRET_KEY)
        await self.console.fill("signin-form")
        await self.console.says("Live")

    async def test_elsewhere(self) -> None:
        """
        Where the console is closed under an open page that is told, and once it is open
        again the page goes on by itself.
        """
        await self.console.open()
        await self.allow("off")
        await self.console.says("Refused: ")
        await self.allow("loopback")
        await self.console.says("Live")
        self.assertFalse(
            await self.browser.run("return document.getElementById('overview').hidden")
        )

    async def allow(self, console: str) -> None:
        """
        Say from where the console can be reached.
        """
        config = self.daemon.config
        self.daemon.reload(replace(config, server=replace(config.server, console=console)))


class ViewTests(ConsoleTests):
    """
    What there is to see.
    """

    async def test_overview(self) -> None:
        """
        The overview shows what there is and what happens, in charts and in numbers.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await self.console.open()
        for userId in ("ann", "ben"):
            await self.subscribed("orders", userId)
        await self.console.reads("tiles", "Connections\n2")
        await self.console.reads("tiles", "Subscriptions\n2")
        await self.console.reads("tables", "orders")
        await self.console.reads("feed", "Up")
        await self.console.reads("health", "Works")
        self.execute("INSERT INTO orders VALUES (1)")
        await self.console.reads("health", "Delivered\n2")
        # Two frames in one second are the highest rate of deliveries there was.
        await self.console.reads("charts", "Deliveries")
        charts = "return document.querySelectorAll('.plot[role=img] canvas').length"
        self.assertEqual(await self.browser.run(charts), 4)
        await self.browser.until(
            "return document.querySelector('.plot').ariaLabel.match(/Deliveries .*, at most [1-9]/)"
        )
        await self.browser.screenshot("console-overview")
        self.assertEqual(await self.mistakes(), [])

    async def test_held(self) -> None:
        """
        Who holds a transaction open stands beside the feed, and is no failure.
        """
        holder = Holder(93.0, "process 7 (nightly)", "batch", "SELECT pg_terminate(7)", True)
        self.patch(ChangeTracker, "waiting", Lag(2.0, holder))
        await self.console.open()
        await self.console.reads("feed", "process 7 (nightly) of batch, for 1 min 33 s")
        await self.console.reads("feed", "SELECT pg_terminate(7)")
        await self.console.reads("health", "A transaction has been open for 93 s")
        await self.console.reads("health", "Works")

    async def test_withoutLibrary(self) -> None:
        """
        Where the library for charts is not there, the numbers are, and that is said.
        """
        await self.browser.command("Network.enable")
        await self.browser.command("Network.setBlockedURLs", urls=["*/console/chart/*"])
        await self.console.open()
        await self.subscribed("chat/x")
        await self.console.reads("tiles", "Connections\n1")
        await self.console.reads("overview", "There are no charts")
        await self.browser.until(
            "return [...document.querySelectorAll('.key td')].some((it) => it.innerText === '1')"
        )
        self.assertEqual(await self.browser.run("return document.querySelector('canvas')"), None)

    async def test_connections(self) -> None:
        """
        Connections come and go in a list, which can be narrowed, and is as long as wanted.
        """
        await self.console.open(view="connections")
        await self.console.reads("connections-table", "Nobody is connected")
        ann = await self.present("ann", "chat/x", {})
        await self.subscribed("chat/y", HOSTILE.replace(" ", "+"))
        ((user, _, role, address, *_, present, queued, _), (hostile, *_)) = await self.console.rows(
            "connections-table", 2
        )
        self.assertEqual((role, address, present, queued), ("public key", "127.0.0.1", "1", "0 B"))
        self.assertIn("ann", user)
        self.assertIn(HOSTILE, hostile)
        await self.console.fill("connections-form", topic="chat/x")
        await self.console.rows("connections-table", 1, user)
        await self.console.fill("connections-form", topic="", user=hostile)
        await self.console.rows("connections-table", 1, hostile)
        await self.console.fill("connections-form", topic="chat/x/q/", user="")
        await self.browser.until(
            "return document.querySelector('#connections > .error').innerText.length > 10"
        )
        await self.console.go("connections")
        await self.console.rows("connections-table", 2)
        ann.drop()
        await self.console.rows("connections-table", 1, hostile)
        await gather(*(self.client(f"user{n}") for n in range(130)))
        await self.console.rows("connections-table", 100)
        await self.console.reads("connections-count", "The first 100 of 131 connections")
        await self.browser.screenshot("console-connections")
        await self.console.click("connections-more")
        await self.console.rows("connections-table", 131)
        self.assertEqual(await self.mistakes(), [])

    async def test_topics(self) -> None:
        """
        Topics show how fast they go; one of them shows who is there, and what each gets.
        """
        self.execute(f'CREATE TABLE "{HOSTILE}" (id INTEGER PRIMARY KEY, status TEXT)')
        ann = await self.present("ann", "chat/x", {"typing": HOSTILE})
        await self.console.open(view="topics")
        ((name, subscribers, present, *_),) = await self.console.rows("topics-table", 1)
        self.assertEqual((name, subscribers, present), ("chat/x/p", "1", "1"))
        ben = await self.client("ben")
        frame = {"type": "subscribe", "topic": HOSTILE, "filter": {"status": "new"}}
        ben.tell({**frame, "columns": ["id", "status"]})
        _, (table, *_) = await self.console.rows("topics-table", 2)
        self.assertEqual(table, f"table/{HOSTILE}/p")
        while not await self.browser.run(
            "return [...document.querySelectorAll('#topics-table td')]"
            ".some((it) => it.dataset.label === 'Frames / s' && Number(it.innerText) > 0)"
        ):
            ann.tell({"type": "publish", "topic": "chat/x", "event": "e", "data": 1})
            await self.sleep(0.05)
        await self.browser.run("document.querySelector('#topics-table a').click()")
        await self.console.reads("topic-title", "chat/x/p")
        ((user, _, state),) = await self.console.rows("topic-members", 1)
        self.assertIn("ann", user)
        self.assertEqual(state, f'{{"typing":"{HOSTILE}"}}')
        await self.console.rows("topic-subscriptions", 1)
        await self.browser.screenshot("console-topic")
        await self.browser.run("document.querySelectorAll('#topics-table a')[1].click()")
        await self.console.reads("topic-subscriptions", "live")
        await self.console.reads("topic-facts", HOSTILE)
        gets = 'filter {"status":"new"}; columns id, status'
        ((user, *_),) = await self.console.rows("topic-subscriptions", 1, gets)
        self.assertIn("ben", user)
        await self.console.go("topics?topic=chat/x/")
        await self.browser.until("return document.getElementById('topic-error').innerText")
        await self.console.fill("topics-form", prefix="table/")
        await self.console.rows("topics-table", 1, table)
        self.assertEqual(await self.mistakes(), [])


class LoadTests(ConsoleTests):
    """
    A daemon that has much to do.
    """

    async def test_watched(self) -> None:
        """
        While many publish on many connections the numbers move, the page goes on being drawn,
        and what it keeps and shows stays as small as it is said to be.
        """
        await self.console.open(view="inspector?topic=load%2F0")
        await self.console.reads("frames-state", "Watching load/0/p.")
        clients = await gather(*(self.subscribed(f"load/{n % 40}", f"u{n}") for n in range(200)))
        publishing = LoopingCall(self.publish, clients)
        stopped = publishing.start(0.1)
        try:
            await self.look()
        finally:
            publishing.stop()
            await stopped
        await self.console.says("Live")
        self.assertLess(
            await self.browser.run("return document.querySelectorAll('*').length"), 5000
        )
        self.assertEqual(await self.mistakes(), [])

    def publish(self, clients: list[Wire]) -> None:
        """
        Have some clients publish, most of them on the same topic.
        """
        for n, client in enumerate(clients[:40]):
            topic = f"load/{n if n >= 30 else 0}"
            client.tell({"type": "publish", "topic": topic, "event": "tick", "data": {"n": n}})

    async def look(self) -> None:
        """
        Look at every view meanwhile.
        """
        await self.browser.run(
            """
            window.pictures_ = 0;
            const count = () => { pictures_ += 1; requestAnimationFrame(count); };
            count();
            """
        )
        passed = "document.getElementById('frames-count').innerText.replace(',', '')"
        await self.browser.until(f"return parseInt({passed}) > 500")
        shown = await self.browser.run("return document.querySelectorAll('#frames li').length")
        self.assertEqual(shown, 200)
        for view, rows in (("topics", 40), ("connections", 100)):
            await self.console.go(view)
            await self.console.rows(f"{view}-table", rows)
        await self.console.go("overview")
        await self.browser.until(
            "return document.querySelector('.plot').ariaLabel.match(/Publications [1-9]/)"
        )
        await self.browser.screenshot("console-load")
        pictures = await self.browser.run("return pictures_")
        await self.browser.until("return pictures_ > arguments[0] + 10", pictures)
