"""
The example of the live orders dashboard, in a browser.
"""

from __future__ import annotations

from tests.live.examples import ExampleTests, Page
from tests.live.relay import Relay

TABLE = "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)"


class OrdersTests(ExampleTests):
    """
    Tests with two pages of the dashboard.
    """

    async def shows(self, page: Page, **orders: str) -> None:
        """
        Wait until a page shows these orders, newest first.

        @param orders: Their states, by C{o} and their numbers.
        """
        await page.reads("#rows td:first-child", *(f"#{name[1:]}" for name in orders))
        await page.reads("#rows .badge", *orders.values())

    async def test_made(self) -> None:
        """
        The daemon's page makes the missing table of the orders when the user asks for it.
        """
        page = Page(self.browser, await self.browser.window())
        await self.browser.open(f"{self.page}?topic=orders")
        await page.until("return make.checkVisibility()")
        await page.click("#make")
        await page.reads("#state", "Watching orders.")
        self.execute("INSERT INTO orders (status) VALUES ('paid')")
        await page.until("return document.getElementById('frames').innerText.includes('paid')")
        self.assertEqual(await page.complaints(), [])

    async def test_sideBySide(self) -> None:
        """
        The first order creates the table.  Each page shows the changes of the other page and of
        programs.
        """
        one, other = await self.open("orders/?name=Sarah"), await self.open("orders/?name=Tom")
        for page in (one, other):
            await page.until("return !document.getElementById('empty').hidden")
            await page.reads("#trouble", "")
        await one.click("#create")
        for page in (one, other):
            await self.shows(page, o1="new")
            await page.until("return document.getElementById('empty').hidden")
        await one.click("#create")
        await self.shows(other, o2="new", o1="new")
        await other.click("#rows tr:last-child button")
        await self.shows(one, o2="new", o1="paid")
        await other.reads("#rows tr:last-child button", "Ship", "Remove")
        await one.reads("#event", 'order:updated {"id":1,"status":"paid"}')
        # The focus stays on the element that the user works with.
        focused = await other.run(
            "const row = document.querySelector('#rows tr:last-child');"
            "row.querySelector('button').focus(); row.querySelector('button').click();"
            "return document.activeElement.ariaLabel"
        )
        self.assertEqual(focused, "Ship 1")
        await self.shows(one, o2="new", o1="shipped")
        await other.until("return document.activeElement.ariaLabel === 'Remove 1'")
        self.execute("INSERT INTO orders (status) VALUES ('<b>new</b>')")
        for page in (one, other):
            await self.shows(page, o3="<b>new</b>", o2="new", o1="shipped")
            await page.reads(".tiles dd", "1", "0", "1")
        await one.reads("#feed li", "Order 3 is <b>new</b>", "Order 2 is new")
        for n in range(4):
            await self.query("INSERT INTO orders (status) VALUES (?)", [("new", "paid")[n % 2]])
        await one.reads(".tiles dd", "3", "2", "1")
        await one.until("return document.querySelectorAll('.how pre code').length === 8")
        await self.picture("orders", one, other)
        await other.click("#rows tr:last-child .quiet")
        await one.until("return document.querySelectorAll('#rows tr').length === 6")
        for page in (one, other):
            self.assertEqual(await page.complaints(), [])

    async def test_networkCut(self) -> None:
        """
        After a network cut a page reconnects by itself and has every change once; the other page
        is not affected.
        """
        self.execute(TABLE, "INSERT INTO orders VALUES (1, 'new'), (2, 'new')")
        relay = Relay(self.reactor, self.port)
        self.addCleanup(relay.stop)
        one = await self.open("orders/", f"http://127.0.0.1:{relay.port}/")
        other = await self.open("orders/")
        for page in (one, other):
            await self.shows(page, o2="new", o1="new")
        self.execute("INSERT INTO orders VALUES (3, 'new')")
        for page in (one, other):
            await page.reads("#feed li", "Order 3 is new")
        relay.cut()
        self.execute(
            "INSERT INTO orders VALUES (4, 'new'), (5, 'new')",
            "UPDATE orders SET status = 'paid' WHERE id IN (1, 3, 4)",
            "DELETE FROM orders WHERE id = 2",
        )
        await self.shows(other, o5="new", o4="paid", o3="paid", o1="paid")
        await self.shows(one, o3="new", o2="new", o1="new")
        relay.mend()
        await self.shows(one, o5="new", o4="paid", o3="paid", o1="paid")
        await one.reads("#feed li", "Order 5 is new", "Order 4 is paid", "Order 3 is paid")
        await one.reads("#status", "Connected")

    async def test_restarted(self) -> None:
        """
        While the daemon is away a page says so; then it reconnects and has every change.
        """
        self.execute(TABLE, "INSERT INTO orders VALUES (9, 'old')")
        page = await self.open("orders/")
        # Once the page shows a row, it watches the table: from here on an order is a change.
        await self.shows(page, o9="old")
        self.execute("DELETE FROM orders")
        await self.shows(page)
        await page.click("#create")
        await self.shows(page, o1="new")
        port = self.port
        await self.stop()
        await page.reads("#status", "Connecting again…")
        self.execute("INSERT INTO orders VALUES (2, 'new')", "DELETE FROM orders WHERE id = 1")
        await self.start(port)
        await self.shows(page, o2="new")
        await page.reads("#feed li", "Order 2 is new", "Order 1 is new")
        await page.reads("#trouble", "")

    async def test_ownTable(self) -> None:
        """
        The example uses an existing table unchanged, and shows the errors of its database.
        """
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, price REAL NOT NULL)",
            "INSERT INTO orders VALUES (9, 'paid', 1.5), (8, 'constructor', 2)",
        )
        page = await self.open("orders/")
        await self.shows(page, o9="paid", o8="constructor")
        await page.click("#create")
        await page.until("return document.getElementById('trouble').innerText.includes('price')")
        await page.click("#rows button")
        await self.shows(page, o9="shipped", o8="constructor")
