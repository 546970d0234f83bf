"""
The example of the shared document, in a browser.
"""

from __future__ import annotations

from dataclasses import replace

from aerostack.net.http import files
from aerostack.settings.settings import Config, HistoryConfig, TopicConfig
from tests.live.examples import EDITOR, LINES, ExampleTests, Page
from tests.live.relay import Relay


class DocumentTests(ExampleTests):
    """
    Tests with two pages of the document.
    """

    def config(self) -> Config:
        # A new page has to read many pages of edits.
        return replace(
            super().config(),
            history=HistoryConfig(pageSize=2),
            topics={"doc/*": TopicConfig(compact=True)},
        )

    async def reads(self, page: Page, *lines: str) -> None:
        """
        Wait until a page has these lines.
        """
        await page.until(f"return JSON.stringify({LINES}) === JSON.stringify(arguments[0])", lines)

    async def test_sideBySide(self) -> None:
        """
        Each page shows the other's text, cursor and name, a new page shows the existing text, and
        the user of a closed page disappears.
        """
        sarah = await self.open("document/?name=Sarah")
        # A click beside the text begins to write as well.
        await sarah.until(
            "card.click(); return document.activeElement === document.querySelector(arguments[0])",
            EDITOR,
        )
        await sarah.write(EDITOR, *"We meet at <b>nine</b>.", "Enter", *"Bring coffee")
        tom = await self.open("document/?name=Tom")
        await self.reads(tom, "We meet at <b>nine</b>.", "Bring coffee")
        for page in (sarah, tom):
            await page.until(
                "return document.querySelector('#count').textContent === '2 users viewing'"
            )
        await tom.reads(".cm-ySelectionInfo", "Sarah")
        await tom.write(EDITOR, "Down", "End", *" and tea")
        await self.reads(sarah, "We meet at <b>nine</b>.", "Bring coffee and tea")
        await sarah.reads(".cm-ySelectionInfo", "Tom")
        await tom.reads("#save", "Saved")
        await self.picture("document", sarah, tom)
        await tom.close()
        await sarah.reads("#count", "1 user viewing")
        await sarah.reads(".cm-ySelectionInfo")
        elsewhere = await self.open("document/?doc=b")
        await self.reads(elsewhere, "")
        self.assertEqual(await sarah.complaints(), [])

    async def test_offline(self) -> None:
        """
        What two users write while one of them is offline is merged when the connection is back.
        """
        relay = Relay(self.reactor, self.port)
        self.addCleanup(relay.stop)
        one = await self.open("document/", f"http://127.0.0.1:{relay.port}/")
        other = await self.open("document/")
        await one.write(EDITOR, *"middle")
        await self.reads(other, "middle")
        await one.reads("#save", "Saved")
        relay.cut()
        await one.write(EDITOR, "End", *" end")
        await one.reads("#save", "Not saved yet…")
        await other.write(EDITOR, "Home", *"begin ")
        await self.reads(one, "middle end")
        await self.reads(other, "begin middle")
        relay.mend()
        for page in (one, other):
            await self.reads(page, "begin middle end")
        await one.reads("#save", "Saved")

    async def test_anybodysData(self) -> None:
        """
        Messages that are no updates do no harm.
        """
        page = await self.open("document/")
        for data in (None, 1, {}, "%", "AAAA", {"set": "a", "part": 0, "parts": 2, "data": "A"}):
            await self.emit("update", data, "doc/welcome", persist=True)
            await self.emit("snapshot", data, "doc/welcome", persist=True)
        wire = await self.subscribed("doc/welcome", "eve")
        for state in ({}, {"awareness": 1}, {"awareness": "%"}, {"awareness": "AQID"}):
            wire.tell({"type": "track", "topic": "doc/welcome", "state": state})
        await page.write(EDITOR, *"good")
        late = await self.open("document/")
        for each in (page, late):
            await self.reads(each, "good")
        await page.reads("#trouble", "")
        self.assertEqual(await page.complaints(), [])


class NotBuiltTests(ExampleTests):
    """
    The page of the document without the packages from npm.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        self.patch(files, "BUNDLE", ("node_modules", "missing.js"))
        await super().setUp()

    async def test_notBuilt(self) -> None:
        """
        The page says how to get the editor.
        """
        page = await self.open("document/")
        await page.until("return !document.querySelector('#missing').hidden")
        await page.reads("#missing code", "make editor")
        await page.reads("#save", "")
