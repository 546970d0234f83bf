"""
The console in a browser, for tests.
"""

from __future__ import annotations

from typing import Any

from aerostack.testing import SECRET_KEY
from tests.live.browser import Browser
from tests.live.test_browser import PageTests
from tests.live.wire import Wire

HOSTILE = "<img src=x onerror=alert(1)>"
"""Text that a test would notice if the page treated it as markup."""

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
        @param page: The address of the daemon's start page.
        """
        self.browser = browser
        self._page = f"{page}console/"

    async def open(self, key: str | None = SECRET_KEY, view: str = "") -> None:
        """
        Open the console, and wait until it shows a view.

        @param key: The key in the address; L{None} for no key.
        """
        await self.browser.open(f"{self._page}{f'#key={key}' if key else ''}")
        if key == SECRET_KEY:
            await self.says("Live")
        if view:
            await self.go(view)

    async def says(self, text: str) -> None:
        """
        Wait until the status line has a text.
        """
        await self.reads("status", text)

    async def go(self, view: str) -> None:
        """
        Open a view by its address.
        """
        name = view.partition("?")[0]
        await self.browser.run("location.hash = arguments[0]", view)
        await self.browser.until("return !document.getElementById(arguments[0]).hidden", name)

    async def reads(self, where: str, text: str) -> None:
        """
        Wait until an element contains a text.
        """
        await self.browser.until(
            "return document.getElementById(arguments[0])?.innerText.includes(arguments[1])",
            where,
            text,
        )

    async def rows(self, where: str, count: int, *texts: str) -> list[list[str]]:
        """
        Wait until a table has a number of rows.

        @param texts: Texts that cells of the table must contain: the number of rows alone does not
            show that the rows are new.
        @return: The texts of the cells.
        """
        found = await self.browser.until(ROWS, where, count, texts)
        rows: list[list[str]] = found["rows"]
        return rows

    async def fill(self, form: str, **fields: str) -> None:
        """
        Fill in the fields of a form, and submit it.
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
    Runs a browser with the console of a daemon.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.console = ConsolePage(self.browser, self.page)

    async def mistakes(self) -> list[str]:
        """
        Return the browser's errors about the page, except those about refused requests.
        """
        complaints = await self.browser.complaints()
        return [each for each in complaints if "Failed to load resource" not in each]

    async def present(self, userId: str, topic: str, state: Any) -> Wire:
        """
        Connect, subscribe to a topic, and track a state on it.
        """
        wire = await self.subscribed(topic, userId)
        wire.tell({"type": "track", "topic": topic, "state": state})
        while (await wire.frame()).get("event") != "presence:sync":
            pass
        return wire
