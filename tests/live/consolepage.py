"""
The console in a browser, for a test.
"""

from __future__ import annotations

from typing import Any

from aerostack.testing import SECRET_KEY
from tests.live.browser import Browser
from tests.live.test_browser import PageTests
from tests.live.wire import Wire

HOSTILE = "<img src=x onerror=alert(1)>"
"""What would be noticed if it ever became markup."""

ROWS = """
    const [where, count, texts] = arguments;
    const rows = [...document.querySelectorAll(`#${where} tbody tr`)]
        .map((row) => [...row.children].map((cell) => cell.textContent));
    const all = rows.flat();
    return rows.length === count && texts.every((text) => all.includes(text)) && { rows };
"""


class ConsolePage:
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
        await self.reads("status", text)

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
            "return document.getElementById(arguments[0])?.innerText.includes(arguments[1])",
            where,
            text,
        )

    async def rows(self, where: str, count: int, *texts: str) -> list[list[str]]:
        """
        Wait until a table has so many rows.

        @param texts: What has to stand in cells of it, too: where a table had as many rows
            before, their number does not say that it is the new ones that are there.
        @return: What stands in its cells.
        """
        found = await self.browser.until(ROWS, where, count, texts)
        rows: list[list[str]] = found["rows"]
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

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.console = ConsolePage(self.browser, self.page)

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
