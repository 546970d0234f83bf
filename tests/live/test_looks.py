"""
The pages of the examples on a phone, with the keyboard and with a screen reader.
"""

from __future__ import annotations

from tests.live.axe import violations
from tests.live.examples import ExampleTests, Page

PAGES = ("/", "orders/", "chat/", "chat/smallest.html", "document/", "auction/", "ai/")

WIDER = """
    const wide = document.documentElement.clientWidth;
    const within = (it) => it.closest('pre, #log, #rooms') !== null;
    return [...document.querySelectorAll('body *')]
        .filter((it) => it.getBoundingClientRect().right > wide + 1 && !within(it))
        .map((it) => it.outerHTML.slice(0, 100));
"""

NAMELESS = """
    const controls = 'a, button, input, textarea, [tabindex="0"], [role=region]';
    return [...document.querySelectorAll(controls)]
        .filter((it) => it.checkVisibility() && !it.ariaLabel && !it.textContent.trim())
        .filter((it) => !it.labels?.length)
        .map((it) => it.outerHTML.slice(0, 100));
"""


class LookTests(ExampleTests):
    """
    Tests for every page.
    """

    async def test_everyPage(self) -> None:
        """
        Every control has a name, the page has one main heading, axe finds nothing in light and
        dark colours, and on a phone nothing is wider than the screen.
        """
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)",
            "INSERT INTO orders VALUES (123456, 'new'), (1, 'some status or other')",
        )
        for path in PAGES:
            page = await (self.home() if path == "/" else self.open(path))
            await page.until(
                "return document.querySelectorAll('figure').length"
                " === document.querySelectorAll('figure pre').length"
            )
            self.assertEqual(await page.run(NAMELESS), [], path)
            headings = "return document.querySelectorAll('h1').length"
            self.assertEqual(await page.run(headings), 1, path)
            self.assertEqual(await violations(page.browser), [], path)
            await page.browser.look("phone")
            self.assertEqual(await page.run(WIDER), [], path)
            self.assertEqual(await page.complaints(), [], path)

    async def home(self) -> Page:
        """
        Open the daemon's page, with a frame.
        """
        page = Page(self.browser, await self.browser.window())
        await self.browser.open(f"{self.page}?topic=orders")
        await page.reads("#state", "Watching orders.")
        self.execute("UPDATE orders SET status = 'paid' WHERE id = 1")
        await page.until("return document.querySelector('#frames li') !== null")
        return page

    async def test_keyboard(self) -> None:
        """
        A user can do everything with the keyboard.
        """
        page = await self.open("orders/")

        async def tabTo(name: str) -> None:
            focused = "const it = document.activeElement; return it.ariaLabel ?? it.textContent"
            while await page.run(focused) != name:
                await page.press("Tab")

        await tabTo("New order")
        await page.press("Enter")
        await page.reads("#rows .badge", "new")
        await tabTo("Pay 1")
        await page.press("Enter")
        await page.reads("#rows .badge", "paid")
        await page.press("Enter")
        await page.reads("#rows .badge", "shipped")
