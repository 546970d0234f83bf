"""
The daemon is killed and started again under open pages of the examples.
"""

from __future__ import annotations

from tests.live.browser import Browser
from tests.live.examples import EDITOR, LINES, Page
from tests.live.program import TWISTD, ProgramTests
from tests.net import Child

SLOWLY = f"from aerostack.examples import ai; ai.PAUSE = 0.5; {TWISTD}"
"""A program that runs a daemon that takes almost a minute for an answer."""


class KilledTests(ProgramTests):
    """
    Runs a daemon in a process of its own, and a browser.
    """

    def setUp(self) -> None:
        super().setUp()
        profile = self.directory / "profile"
        profile.mkdir()
        self.browser = Browser(self.reactor, profile)
        self.addCleanup(self.browser.stop)

    async def open(self, path: str) -> Page:
        """
        Open a page of the examples in a window of its own.
        """
        page = Page(self.browser, await self.browser.window())
        await self.browser.open(f"http://127.0.0.1:{self.port}/examples/{path}")
        await page.reads("#status", "Connected")
        return page

    async def begin(self, **spawning: str) -> Child:
        """
        Start the daemon, and the browser.
        """
        text = self.configure(server="examples = true", more="anonymous = true")
        text = text.replace("http://app.test", "http://127.0.0.1:*")
        child = await self.serve(text, **spawning)
        await self.browser.start()
        return child

    async def kill(self, child: Child) -> None:
        """
        Kill the daemon.
        """
        child.signal("KILL")
        await child.ended

    async def test_orders(self) -> None:
        """
        The orders are up to date again by themselves, and each change is in the feed once.  A
        request that was made while the daemon was dead shows an error.
        """
        child = await self.begin()
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)",
            "INSERT INTO orders VALUES (9, 'old')",
        )
        page = await self.open("orders/")
        # Once the page shows a row, it watches the table: from here on an order is a change.
        await page.reads("#rows .badge", "old")
        self.execute("DELETE FROM orders")
        await page.reads("#rows .badge")
        await page.click("#create")
        await page.reads("#feed li", "Order 1 is new")
        await self.kill(child)
        await page.reads("#status", "Connecting again…")
        await page.click("#create")
        trouble = "document.getElementById('trouble').textContent"
        await page.until(f"return {trouble}.includes('does not answer')")
        self.execute(
            "INSERT INTO orders (status) VALUES ('new'), ('new')",
            "UPDATE orders SET status = 'paid' WHERE id < 3",
        )
        await self.serve()
        await page.reads("#rows .badge", "new", "paid", "paid")
        await page.reads("#feed li", "Order 3 is new", "Order 2 is paid", "Order 1 is paid")
        await page.reads("#trouble", "")
        await page.click("#create")
        await page.reads("#rows .badge", "new", "new", "paid", "paid")

    async def test_chat(self) -> None:
        """
        Messages from before the kill and from while the daemon was dead are on both pages, once
        and in the same order.
        """
        child = await self.begin()
        pages = [await self.open("chat/?name=Sarah"), await self.open("chat/?name=Tom")]

        async def say(page: Page, text: str) -> None:
            await page.type("#text", text)
            await page.press("Enter")

        await say(pages[0], "before")
        for page in pages:
            await page.reads("#messages li > :last-child", "before")
        await self.kill(child)
        for page, text in zip(pages, ("one", "two"), strict=True):
            await page.reads("#status", "Connecting again…")
            await say(page, text)
        await self.serve()
        for page in pages:
            await page.reads("#status", "Connected")
        await say(pages[0], "after")
        count = "return document.querySelectorAll('#messages li:not(.pending)').length"
        for page in pages:
            await page.until(f"{count} === 4")
        texts = "return [...document.querySelectorAll('#messages li > :last-child')]"
        said = [await page.run(f"{texts}.map((it) => it.textContent)") for page in pages]
        self.assertEqual(said[0], said[1])
        self.assertEqual(sorted(said[0]), ["after", "before", "one", "two"])
        for page in pages:
            await page.reads("#count", "2 users here")

    async def test_document(self) -> None:
        """
        Text that was written while the daemon was dead is in the document when the daemon is back.
        """
        child = await self.begin()
        one, other = [await self.open(f"document/?name={name}") for name in ("Sarah", "Tom")]
        await one.write(EDITOR, *"before")
        reads = f"return {LINES}.join() === arguments[0]"
        await other.until(reads, "before")
        await self.kill(child)
        await one.reads("#status", "Connecting again…")
        await one.write(EDITOR, "End", *" and meanwhile")
        await self.serve()
        for page in (one, other, await self.open("document/?name=Cora")):
            await page.until(reads, "before and meanwhile")
        for page in (one, other):
            await page.reads("#count", "3 users viewing")

    async def test_ai(self) -> None:
        """
        The page shows that an answer was cut off, and the next answer arrives.
        """
        child = await self.begin(program=SLOWLY)
        page = await self.open("ai/")
        shown = "return document.getElementById('answer').textContent"
        await page.click("#send")
        await page.until(f"{shown}.length > 60")
        await self.kill(child)
        await self.serve()
        await page.reads("#end", "The program that wrote it is gone. (lease)")
        await page.click("#send:enabled")
        await page.until(f"{shown}.endsWith('all of them watch.')")
