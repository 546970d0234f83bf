"""
The console in a real browser: access to it, and its views.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import LoopingCall

from aerostack.core.rows.journal import Holder, Lag
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from aerostack.tracker.tracker import ChangeTracker
from tests.live.consolepage import HOSTILE, ConsoleTests
from tests.live.daemon import gather
from tests.live.wire import Refused, Wire


class SigningInTests(ConsoleTests):
    """
    Tests for signing in.
    """

    async def test_typed(self) -> None:
        """
        The page asks for the key.  It rejects and forgets a wrong one, and keeps the right one
        across reloads until the user signs out.
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
        await self.load()
        await self.console.says("Live")
        await self.console.go("overview")
        await self.console.reads("tiles", "Connections")
        await self.console.click("leave")
        await self.console.reads("signin", "Secret key of the project")
        await self.console.says("Not signed in")
        # The new page does not have the old page's data.
        await self.browser.until("return !document.getElementById('tiles').textContent")
        await self.browser.run("history.back()")
        await self.load()
        await self.console.reads("signin", "Secret key of the project")

    async def load(self) -> None:
        """
        Reload the page, and wait until it is there.
        """
        await self.browser.run("document.body.dataset.old = 1; location.reload()")
        await self.browser.until(
            "return document.readyState === 'complete' && !document.body.dataset.old"
        )

    async def test_keptFromOtherPages(self) -> None:
        """
        Another page of the daemon cannot find the key, and a user who goes back to the console is
        still signed in.
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
        In a browser that lets pages store nothing, the user signs in each time.
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
        The page removes a key from its address at once, and the key is not in the browser's
        history.
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
        A user who enters the public key learns that the console needs the secret one, and can
        enter that.
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
        If a reload closes the console, an open page says so, and goes on by itself once the
        console is open again.
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
        Set where the console is reachable.
        """
        config = self.daemon.config
        await self.reload(replace(config, server=replace(config.server, console=console)))


class ViewTests(ConsoleTests):
    """
    Tests for the views.
    """

    async def test_overview(self) -> None:
        """
        The overview shows the current numbers and rates, in charts and as text.
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
        await self.console.reads("charts", "Deliveries")
        charts = "return document.querySelectorAll('.plot[role=img] canvas').length"
        self.assertEqual(await self.browser.run(charts), 4)
        # Two frames in one second are the highest rate of deliveries.  A sample of a daemon that
        # stood still is longer than a second, and has a lower rate.
        peak = "document.querySelector('.plot').ariaLabel.match(/Deliveries .*, at most [1-9]/)"
        row = 1
        while not await self.browser.run(f"return {peak}"):
            await self.sleep(1.5)
            row += 1
            self.execute(f"INSERT INTO orders VALUES ({row})")
        await self.browser.screenshot("console-overview")
        self.assertEqual(await self.mistakes(), [])

    async def test_held(self) -> None:
        """
        The overview shows an open transaction beside the feed, without calling it a failure.
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
        Without the library for charts, the page shows the numbers and says so.
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
        The list of connections follows the daemon, can be filtered, and can be made longer.
        """
        await self.console.open(view="connections")
        await self.console.reads("connections-table", "No client is connected")
        ann = await self.present("ann", "chat/x", {})
        await self.subscribed("chat/y", HOSTILE.replace(" ", "+"))
        rows = await self.console.rows("connections-table", 2)
        ((user, _, role, address, *_, present, queued, _, _), (hostile, *_)) = rows
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
        await self.disconnects()
        # The first hundred are shown.
        for numbers in (range(100), range(100, 130)):
            await gather(*(self.client(f"user{n}") for n in numbers))
        await self.console.rows("connections-table", 100)
        await self.console.reads("connections-count", "The first 100 of 130 connections")
        await self.sorts()
        await self.browser.screenshot("console-connections")
        await self.console.click("connections-more")
        await self.console.rows("connections-table", 130)
        self.assertEqual(await self.mistakes(), [])

    async def disconnects(self) -> None:
        """
        The operator disconnects the only client, after a question that can be answered with no.
        """
        press = "document.querySelector('#connections-table td button').click()"
        await self.browser.run(press)
        await self.browser.press("Escape")
        await self.browser.until("return document.querySelector('dialog') === null")
        await self.console.rows("connections-table", 1)
        await self.browser.run(press)
        await self.browser.until("return document.querySelector('dialog').open")
        # A key that is held down on the button of the row does not agree.
        await self.browser.press("Enter")
        await self.browser.until("return document.querySelector('dialog') === null")
        await self.console.rows("connections-table", 1)
        await self.browser.run(press)
        await self.browser.until("return document.querySelector('dialog').open")
        await self.browser.run("document.querySelector('dialog button').click()")
        await self.console.reads("connections-table", "No client is connected")

    async def sorts(self) -> None:
        """
        The operator sorts the list by users, down and up, and no text needs a second line.
        """
        users = "[...document.querySelectorAll('#connections-table tbody th')]"
        first = f"return {users}[0].innerText"
        head = "document.querySelector('#connections-table thead button')"
        for way, user in (("ascending", "user0"), ("descending", "user99")):
            await self.browser.run(f"{head}.click()")
            self.assertTrue((await self.browser.run(first)).endswith(user))
            said = await self.browser.run(f"return {head}.parentElement.ariaSort")
            self.assertEqual(said, way)
        height = await self.browser.run(f"return {users}[0].offsetHeight")
        self.assertLess(height, 40)
        # The view's own link leads to its title, which the top of the page does not cover.
        await self.browser.run(
            "scrollTo(0, 9999); document.querySelector('#views [aria-current]').click()"
        )
        await self.browser.until(
            "return document.getElementById('connections-title').getBoundingClientRect().top"
            " >= document.querySelector('.top').getBoundingClientRect().bottom"
        )

    async def test_topics(self) -> None:
        """
        The list of topics shows their rates; an open topic shows its members and its
        subscriptions.
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
    Tests with a busy daemon.
    """

    async def test_watched(self) -> None:
        """
        While many connections publish, the numbers change, the page keeps drawing, and its memory
        and its lists stay bounded.
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
        Let some clients publish, most of them on the same topic.
        """
        for n, client in enumerate(clients[:40]):
            topic = f"load/{n if n >= 30 else 0}"
            client.tell({"type": "publish", "topic": topic, "event": "tick", "data": {"n": n}})

    async def look(self) -> None:
        """
        Open every view meanwhile.
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


class RefusalsTests(ConsoleTests):
    """
    Tests for the view of what was refused.
    """

    async def test_refusals(self) -> None:
        """
        What was refused is listed with who asked and what to do, and its row counts the times.
        """
        await self.console.open(view="refusals")
        await self.console.reads("refusals", "Nothing was refused")
        for times in ("1", "2"):
            coming = await self.wire()
            opening = coming.upgrade("/api/realtime?projectId=p", {"Origin": "http://evil.test"})
            await self.assertFailure(opening, Refused)
            (
                (code, _, count, project, origin, address, user, request, todo),
            ) = await self.console.rows("refusals", 1, "origin_not_allowed", times)
            self.assertEqual((code, count, project), ("origin_not_allowed", times, "p"))
            self.assertEqual((origin, address, user), ("http://evil.test", "127.0.0.1", ""))
            self.assertEqual(request, "GET /api/realtime")
            self.assertIn("add it to projects.p.origins", todo)
        wire = await self.subscribed("chat/a", "ann")
        wire.tell({"type": "subscribe", "topic": HOSTILE})
        await wire.frame()
        asked = f"subscribe table/{HOSTILE}/p"
        await self.console.rows("refusals", 2, "unknown_table", "ann", asked)
        await self.browser.screenshot("console-refusals")
        self.assertEqual(await self.mistakes(), [])


class StreamsTests(ConsoleTests):
    """
    Tests for the view of the token streams.
    """

    async def test_streams(self) -> None:
        """
        The running streams are listed with what is known of them, and the operator cancels one.
        """
        wire = await self.subscribed("ai/a", "ann")
        for owner in (HOSTILE, "ann"):
            status, started = await self.rpc("ai.start", "ai/a", {"owner": owner})
            self.assertEqual(status, 200)
        text = {"part": "0", "kind": "text", "at": 0, "text": "Hello"}
        status, _ = await self.rpc("ai.append", started["stream"], 1, [text])
        self.assertEqual(status, 200)
        await self.console.open(view="streams")
        rows = await self.console.rows("streams", 2, "ann", HOSTILE, "5")
        # Two streams of one millisecond have no order.
        (place,) = (n for n, row in enumerate(rows) if row[0] == started["stream"])
        self.assertEqual(rows[place][:5], [started["stream"], "ai/a/p", "ann", "1", "5"])
        self.assertRegex(rows[place][5], r"^[\d.]+$")
        await self.console.reads("streams-count", "2 streams.")
        await self.browser.screenshot("console-streams")
        await self.browser.run(
            "document.querySelectorAll('#streams tbody button')[arguments[0]].click()", place
        )
        await self.console.rows("streams", 1, HOSTILE)
        # A click on a row that the page has not removed yet.
        await self.browser.run(
            """
            const real = fetch;
            const refusal = {error: "no", message: "Not this one."};
            window.asked_ = 0;
            window.fetch = async (path, options) => {
              if (path.endsWith("/rpc")) return Response.json(refusal, {status: 409});
              if (path.includes("/streams")) asked_ += 1;
              return real(path, options);
            };
            document.querySelector("#streams tbody button").click();
            """
        )
        await self.console.reads("streams-failed", "Not this one.")
        # It stays while the list is asked for again.
        await self.browser.until("return asked_ > 1")
        await self.console.reads("streams-failed", "Not this one.")
        while (frame := await wire.frame()).get("event") != "ai:done":
            pass
        self.assertEqual((frame["stream"], frame["state"]), (started["stream"], "cancelled"))
        self.assertEqual(await self.mistakes(), [])
