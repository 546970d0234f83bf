"""
Pages of the examples, in windows side by side.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aerostack.settings.settings import Config
from tests.live.browser import Browser
from tests.live.test_browser import PageTests

EDITOR = "#document .cm-content"
"""The element that users of the document write in."""

# The names at the cursors of others are in the lines, but not in the text.
LINES = (
    f"[...document.querySelectorAll('{EDITOR} .cm-line')].map((line) => {{"
    " const copy = line.cloneNode(true);"
    " for (const it of copy.querySelectorAll('.cm-ySelectionCaret')) it.remove();"
    " return copy.textContent.replace(/\\u2060/g, ''); })"
)
"""The lines of the document, as an expression in JavaScript."""


class Page:
    """
    A page in a window of its own.

    @ivar browser: The browser that shows the page.
    """

    def __init__(self, browser: Browser, window: str) -> None:
        self.browser = browser
        self._window = window

    async def turnTo(self) -> Browser:
        """
        Make this page's window the current one.
        """
        await self.browser.turnTo(self._window)
        return self.browser

    async def run(self, script: str, *args: Any) -> Any:
        """
        Run JavaScript in the page, as the body of a function.
        """
        return await (await self.turnTo()).run(script, *args)

    async def until(self, script: str, *args: Any) -> Any:
        """
        Run JavaScript repeatedly until its result is true.
        """
        return await (await self.turnTo()).until(script, *args)

    async def reads(self, selector: str, *texts: str) -> None:
        """
        Wait until the elements that match a selector have these texts.
        """
        await self.until(
            "return JSON.stringify([...document.querySelectorAll(arguments[0])]"
            ".map((it) => it.textContent.trim())) === JSON.stringify(arguments[1])",
            selector,
            texts,
        )

    async def click(self, selector: str) -> None:
        """
        Click an element, once it exists.
        """
        await self.until(
            "const it = document.querySelector(arguments[0]); it?.click(); return it !== null",
            selector,
        )

    async def type(self, selector: str, text: str) -> None:
        """
        Focus an element, and press keys.
        """
        await self.run("document.querySelector(arguments[0]).focus()", selector)
        await self.press(*text)

    async def write(self, selector: str, *keys: str) -> None:
        """
        Press keys in an element, once it can have the focus.
        """
        await self.until(
            "const it = document.querySelector(arguments[0]); it?.focus();"
            "return document.activeElement === it",
            selector,
        )
        await self.press(*keys)

    async def press(self, *keys: str) -> None:
        """
        Press keys in the focused element.
        """
        await (await self.turnTo()).press(*keys)

    async def complaints(self) -> list[str]:
        """
        Return the errors in the browser's console.
        """
        return await (await self.turnTo()).complaints()

    async def close(self) -> None:
        """
        Close the window.
        """
        await (await self.turnTo()).closeWindow()


class ExampleTests(PageTests):
    """
    Runs headless Chromium beside a daemon that serves the examples.
    """

    def config(self) -> Config:
        config = super().config()
        server = replace(config.server, examples=True, restartTime=0.0, reconnectSpread=0.1)
        return replace(config, server=server)

    async def open(self, path: str, base: str | None = None) -> Page:
        """
        Open a page of the examples in a window of its own, and wait until it is connected.

        @param path: Its path under C{/examples/}.
        @param base: The address of the daemon, if the page shall not connect directly.
        """
        page = Page(self.browser, await self.browser.window())
        await self.browser.open(f"{base or self.page}examples/{path}")
        await self.connected(page)
        return page

    async def connected(self, page: Page) -> None:
        """
        Wait until a page shows that it is connected.
        """
        await page.reads("#status", "Connected")

    async def picture(self, name: str, *pages: Page) -> None:
        """
        Take pictures of pages.
        """
        for number, page in enumerate(pages, 1):
            await (await page.turnTo()).screenshot(f"example-{name}-{number}")
