"""
The console, seen from a real browser.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.task import LoopingCall

from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.browser import LOOKS, Browser
from tests.live.daemon import gather
from tests.live.program import ProgramTests
from tests.live.test_browser import PageTests
from tests.live.wire import Wire
from tests.net import Child
from tests.web import MODULES

HOSTILE = "<img src=x onerror=alert(1)>"

STATUS = "return document.getElementById('status').innerText.includes(arguments[0])"

ROWS = """
    return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)]
        .map((row) => [...row.children].map((cell) => cell.textContent))
"""

AXE = """
    return axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
        violations.map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(" ")}`))
"""

VIEWS = ("overview", "connections", "topics", "topics?topic=chat%2Fx", "inspector", "why")


class Console:
    """
    The console in a browser.

    @ivar browser: The browser.
    """

    def __init__(self, browser: Browser, page: str) -> None:
        """
        @param page: The daemon's own page.
        """
        self.browser = browser
        self._page = f"{page}console/"

    async def open(self, key: str | None = SECRET_KEY, view: str = "") -> None:
        """
        Open it, and wait until it shows something.

        @param key: What its address says; L{None} for nothing.
        """
        await self.browser.open(f"{self._page}{f'#key={key}' if key else ''}")
        if key == SECRET_KEY:
            await self.says("Live")
        if view:
            await self.go(view)

    async def says(self, text: str) -> None:
        """
        Wait until its status says something.
        """
        await self.browser.until(STATUS, text)

    async def go(self, view: str) -> None:
        """
        Open a view, by its address.
        """
        name = view.partition("?")[0]
        await self.browser.run("location.hash = arguments[0]", view)
        await self.browser.until("return !document.getElementById(arguments[0]).hidden", name)

    async def reads(self, where: str, text: str) -> None:
        """
        Wait until a part of it has a text in it.
        """
        await self.browser.until(
            "return document.getElementById(arguments[0]).innerText.includes(arguments[1])",
            where,
            text,
        )

    async def rows(self, where: str, count: int) -> list[list[str]]:
        """
        Wait until a table has so many rows.

        @return: What stands in its cells.
        """
        await self.browser.until(
            "return document.querySelectorAll(`#${arguments[0]} tbody tr`).length === arguments[1]",
            where,
            count,
        )
        rows: list[list[str]] = await self.browser.run(ROWS, where)
        return rows

    async def fill(self, form: str, **fields: str) -> None:
        """
        Write into the fields of a form, and send it.
        """
        await self.browser.run(
            """
            const form = document.getElementById(arguments[0]);
            for (const [name, value] of Object.entries(arguments[1])) {
              const field = form.elements[name];
              if (field.type === "checkbox") field.checked = Boolean(value);
              else field.value = value;
            }
            form.requestSubmit();
            """,
            form,
            fields,
        )

    async def click(self, name: str) -> None:
        """
        Click on an element.
        """
        await self.browser.run("document.getElementById(arguments[0]).click()", name)


class ConsoleTests(PageTests):
    """
    A browser with the console of a daemon.
    """

    timeout = 120

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.console = Console(self.browser, self.page)

    async def mistakes(self) -> list[str]:
        """
        What the browser found wrong with the page, besides requests that were refused.
        """
        complaints = await self.browser.complaints()
        return [each for each in complaints if "Failed to load resource" not in each]

    async def present(self, userId: str, topic: str, state: Any) -> Wire:
        """
        Connect, subscribe to a topic and be present in it.
        """
        wire = await self.subscribed(topic, userId)
        wire.tell({"type": "track", "topic": topic, "state": state})
        while (await wire.frame()).get("event") != "presence:sync":
            pass
        return wire


class SigningInTests(ConsoleTests):
    """
    Who may look.
    """

    async def test_typed(self) -> None:
        """
        The key is typed in; one that is wrong is told and forgotten, the right one is kept
        in the tab until one signs out.
        """
        await self.console.open(None)
        await self.console.reads("signin", "Secret key of the project")
        await self.browser.screenshot("console-signin")
        await self.browser.press(*"sk_wrong_0123456789", "Enter")
        await self.console.reads("key-error", "key")
        self.assertIsNone(await self.browser.run("return sessionStorage.length || null"))
        await self.browser.run("document.getElementById('key').select()")
        await self.browser.press(*SECRET_KEY, "Enter")
        await self.console.says("Live")
        await self.console.reads("about", "Project p")
        self.assertEqual(
            await self.browser.run("return document.activeElement.id"), "overview-title"
        )
        await self.console.open(None)
        await self.console.says("Live")
        await self.console.click("leave")
        await self.console.says("Not signed in")
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

    async def test_withoutLibrary(self) -> None:
        """
        Where the library for charts is not there, the numbers are, and that is said.
        """
        await self.browser.block("*/console/chart/*")
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
        await self.console.rows("connections-table", 1)
        await self.console.fill("connections-form", topic="", user=hostile)
        ((one, *_),) = await self.console.rows("connections-table", 1)
        self.assertEqual(one, hostile)
        await self.console.fill("connections-form", topic="chat/x/q/", user="")
        await self.browser.until(
            "return document.querySelector('#connections > .error').innerText.length > 10"
        )
        await self.console.go("connections")
        ann.drop()
        await self.console.rows("connections-table", 1)
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
        ((user, _, gets, *_),) = await self.console.rows("topic-subscriptions", 1)
        self.assertIn("ben", user)
        self.assertEqual(gets, 'filter {"status":"new"}; columns id, status')
        await self.console.go("topics?topic=chat/x/")
        await self.browser.until("return document.getElementById('topic-error').innerText")
        await self.console.fill("topics-form", prefix="table/")
        await self.console.rows("topics-table", 1)
        self.assertEqual(await self.mistakes(), [])


class InspectorTests(ConsoleTests):
    """
    Frames as they pass, and frames of one's own.
    """

    frames = "return [...document.querySelectorAll('#frames summary')].map((it) => it.innerText)"

    async def shown(self, text: str) -> list[str]:
        """
        Wait until a frame with a text in it is shown.

        @return: What is shown of all of them, newest first.
        """
        await self.browser.until(
            "return document.getElementById('frames').innerText.includes(arguments[0])", text
        )
        frames: list[str] = await self.browser.run(self.frames)
        return frames

    async def test_watching(self) -> None:
        """
        Changes, events and presence pass as they are told to subscribers; whoever opens one
        sees all of it, and the others stand still meanwhile.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        await self.console.open(view="inspector")
        await self.console.fill("inspector-form", topic="orders")
        await self.console.reads("frames-state", "Watching table/orders/p.")
        self.execute("INSERT INTO orders VALUES (1, 'new')")
        await self.shown("INSERT")
        self.execute("UPDATE orders SET status = 'shipped'")
        newest, _ = await self.shown("UPDATE")
        self.assertIn('{"old":{"id":1,"status":"new"},"new":{"id":1,"status":"shipped"}}', newest)
        await self.browser.run("document.querySelector('#frames summary').click()")
        await self.shown("Position ")
        self.execute("DELETE FROM orders")
        await self.console.reads("frames-count", "1 waiting")
        self.assertEqual(len(await self.browser.run(self.frames)), 2)
        await self.browser.screenshot("console-inspector")
        await self.console.click("frames-pause")
        await self.shown("DELETE")

        ann = await self.present("ann", "chat/x", {})
        await self.console.go("inspector?topic=chat%2Fx")
        await self.console.reads("frames-state", "Watching chat/x/p.")
        self.assertEqual(await self.browser.run(self.frames), [])
        ann.tell({"type": "track", "topic": "chat/x", "state": {"typing": HOSTILE}})
        await self.shown("presence:update")
        await self.emit(HOSTILE, {"text": HOSTILE}, "chat/x")
        (newest, _) = await self.shown(f'"{HOSTILE}"')
        self.assertIn(HOSTILE, newest)
        await self.console.click("inspector-stop")
        await self.console.reads("frames-state", "Stopped.")
        while len(self.daemon.hub.registry.subscribers("chat/x/p")) > 1:
            await self.sleep(0.02)
        self.assertEqual(await self.mistakes(), [])

    async def test_leaving(self) -> None:
        """
        Whoever looks at something else is told of no frame any more.
        """
        await self.console.open(view="inspector?topic=chat%2Fx")
        await self.console.reads("frames-state", "Watching chat/x/p.")
        self.assertEqual(len(self.daemon.hub.registry.subscribers("chat/x/p")), 1)
        await self.console.go("overview")
        while self.daemon.hub.registry.subscribers("chat/x/p"):
            await self.sleep(0.02)

    async def test_publishing(self) -> None:
        """
        What is published goes to subscribers and, if that is wanted, into the history; what
        is no JSON, or refused, is told and stays in the form.
        """
        ann = await self.subscribed("chat/x", "ann")
        await self.console.open(view="inspector?topic=chat%2Fx")
        await self.console.reads("frames-state", "Watching chat/x/p.")
        await self.console.fill("publish-form", event="greeting", data='{"text": "hello"')
        await self.console.reads("publish-error", "This is not JSON")
        focus = "return document.activeElement.name"
        self.assertEqual(await self.browser.run(focus), "data")
        await self.console.fill("publish-form", data='{"text": "hello"}', persist="yes")
        await self.console.reads("publish-state", "Published to chat/x at ")
        frame = await ann.frame()
        self.assertEqual((frame["event"], frame["data"]), ("greeting", {"text": "hello"}))
        await self.shown("greeting")
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        path = "/api/v1/public/realtime/history?room=chat/x"
        _, history, _ = await self.http("GET", path, **headers)
        self.assertEqual([kept["event"] for kept in history["messages"]], ["greeting"])
        await self.console.fill("publish-form", event="presence:join")
        await self.console.reads("publish-error", "Not published: ")
        await self.console.fill("inspector-form", topic="chat//x")
        await self.browser.until(
            "return document.querySelector('#inspector > .error').innerText.length > 10"
        )
        await self.console.reads("frames-state", "Nothing is watched.")


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


class AccessTests(ConsoleTests):
    """
    Whoever uses it, and however.
    """

    async def furnish(self) -> None:
        """
        Have something in each view, with names that are long.
        """
        for n in range(3):
            await self.present(f"user{n}-{'long' * 20}", "chat/x", {"cursor": {"line": n}})
        await self.subscribed(f"chat/{'endless' * 20}", "ann")
        await self.console.open()

    async def test_accessible(self) -> None:
        """
        Nothing in any view, in light or in dark, is known to keep people out.
        """
        await self.furnish()
        await self.browser.run((MODULES / "axe-core" / "axe.min.js").read_text())
        for view in VIEWS:
            await self.console.go(view)
            for look in LOOKS:
                await self.browser.look(look)
                self.assertEqual(await self.browser.run(AXE), [], (view, look))
        await self.console.click("leave")
        self.assertEqual(await self.browser.run(AXE), [])

    async def test_phone(self) -> None:
        """
        No view is wider than a phone.
        """
        await self.furnish()
        await self.browser.look("phone")
        for view in VIEWS:
            await self.console.go(view)
            await self.console.reads("views", "Overview")
            if view.startswith("connections"):
                await self.console.rows("connections-table", 4)
            width = await self.browser.run("return document.documentElement.scrollWidth")
            self.assertEqual(width, 360, view)

    async def test_keyboard(self) -> None:
        """
        The keyboard is enough, and what has the focus keeps it while everything changes.
        """
        focus = "return document.activeElement.id || document.activeElement.textContent.trim()"
        await self.furnish()
        await self.browser.press("Tab")
        self.assertEqual(await self.browser.run(focus), "skip")
        await self.browser.press("Enter")
        self.assertEqual(await self.browser.run(focus), "main")
        await self.console.open(None)
        await self.console.says("Live")
        # To the content, home, signing out, and the second view.
        await self.browser.press("Tab", "Tab", "Tab", "Tab", "Tab", "Enter")
        rows = await self.console.rows("connections-table", 4)
        self.assertEqual(await self.browser.run(focus), "connections-title")
        # User, topic, the button, and the first row's link.
        await self.browser.press("Tab", "Tab", "Tab", "Tab")
        self.assertEqual(await self.browser.run(focus), rows[0][0])
        newcomer = await self.client("late")
        await self.console.rows("connections-table", 5)
        self.assertEqual(await self.browser.run(focus), rows[0][0])
        self.wires[0].drop()
        newcomer.drop()
        await self.console.rows("connections-table", 3)
        self.assertEqual(await self.browser.run("return document.activeElement.tagName"), "TABLE")
        await self.browser.press("Tab", "Enter")
        await self.browser.until("return !document.getElementById('why').hidden")
        self.assertEqual(await self.browser.run(focus), "why-title")
        user = "return document.querySelector('#why-form [name=user]').value"
        self.assertEqual(await self.browser.run(user), rows[1][0])


class KilledTests(ProgramTests):
    """
    A daemon that ends under an open page.
    """

    async def serving(self, browser: Browser, view: str) -> tuple[Console, Child]:
        """
        Start a daemon, and open the console.
        """
        console = Console(browser, f"http://127.0.0.1:{self.port}/")
        child = await self.serve(self.configure())
        await console.open(view=view)
        return console, child

    async def browse(self) -> Browser:
        """
        Start a browser.
        """
        profile = self.directory / "browser"
        profile.mkdir()
        browser = Browser(self.reactor, profile)
        await browser.start()
        self.addCleanup(browser.stop)
        return browser

    async def test_killed(self) -> None:
        """
        When the daemon is killed the page says so, and asks more and more seldom; once a daemon
        is there again the page goes on by itself.
        """
        browser = await self.browse()
        console, child = await self.serving(browser, "overview")
        await console.reads("health", "Works")
        await child.kill()
        await console.says("The daemon does not answer. Trying again")
        await browser.screenshot("console-away")
        asked = "return performance.getEntriesByType('resource').length"
        before = await browser.run(asked)
        await self.sleep(3)
        self.assertLess(await browser.run(asked) - before, 6)
        await self.serve()
        await console.says("Live")
        await console.reads("health", "Works")

    async def test_watching(self) -> None:
        """
        A topic that is watched when the daemon is killed is watched again by itself.
        """
        browser = await self.browse()
        console, child = await self.serving(browser, "inspector?topic=chat%2Fx")
        await console.reads("frames-state", "Watching chat/x/p.")
        await child.kill()
        await console.reads("frames-state", "It is tried again.")
        await self.serve()
        await console.reads("frames-state", "Watching chat/x/p.")
        await console.fill("publish-form", event="back")
        await console.reads("frames", "back")
