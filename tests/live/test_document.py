"""
The example of the shared document, in a browser.
"""

from __future__ import annotations

from dataclasses import replace

from aerostack.settings.settings import Config, HistoryConfig
from tests.live.examples import ExampleTests, Page
from tests.live.relay import Relay
from tests.live.wire import Wire

TEXTS = "[...document.querySelectorAll('#document textarea')].map((it) => it.value)"
TWO = "#document .paragraph:nth-child(2) textarea"
ONE = "#document .paragraph:nth-child(1) textarea"


class DocumentTests(ExampleTests):
    """
    Tests with two pages of the document.
    """

    def config(self) -> Config:
        # A new page has to read many edits.
        return replace(super().config(), history=HistoryConfig(pageSize=2))

    async def reads(self, page: Page, *texts: str) -> None:
        """
        Wait until a page has these paragraphs.
        """
        await page.until(f"return JSON.stringify({TEXTS}) === JSON.stringify(arguments[0])", texts)

    async def taken(self, wire: Wire, text: str) -> None:
        """
        Wait until a subscriber of the document gets the edit that has this text.
        """
        while True:
            frame = await wire.frame()
            if frame.get("event") == "edit" and frame["data"]["text"] == text:
                return

    async def test_sideBySide(self) -> None:
        """
        Each page shows the other's text and cursor, a new page shows the existing text, and the
        user of a closed page disappears.
        """
        sarah = await self.open("document/?name=Sarah")
        await self.reads(sarah, "")
        await sarah.type(ONE, "We meet at <b>nine</b>.")
        await sarah.press("Enter")
        await sarah.press(*"Bring coffee")
        tom = await self.open("document/?name=Tom")
        await self.reads(tom, "We meet at <b>nine</b>.", "Bring coffee")
        for page in (sarah, tom):
            await page.reads("#count", "2 users viewing")
            await page.reads("#people .hidden", "Sarah", "Tom")
        # Sarah's cursor is after the last letter.
        cursor = "#document .paragraph:nth-child(2) .layer i"
        await tom.until(
            "const it = document.querySelector(arguments[0]);"
            "return it?.dataset.name === 'Sarah' && it.parentNode.textContent === 'Bring coffee'"
            " && it.nextSibling.textContent === ''",
            cursor,
        )
        await tom.type(TWO, "")
        await tom.run(
            "const it = document.querySelector(arguments[0]); it.setSelectionRange(6, 12)", TWO
        )
        await sarah.reads(f"{TWO.replace('textarea', '.layer mark')}", "coffee")
        await sarah.reads(".layer i", "")
        await tom.press(*"tea")
        await self.reads(sarah, "We meet at <b>nine</b>.", "Bring tea")
        # The other cursor stays in its place.
        await sarah.type(ONE, "")
        await sarah.run("document.querySelector(arguments[0]).setSelectionRange(14, 18)", ONE)
        await tom.reads(f"{ONE.replace('textarea', '.layer mark')}", "nine")
        await self.picture("document", sarah, tom)
        cora = await self.open("document/?name=Cora")
        await self.reads(cora, "We meet at <b>nine</b>.", "Bring tea")
        await sarah.reads("#count", "3 users viewing")
        await cora.close()
        await sarah.reads("#count", "2 users viewing")
        self.assertEqual(await sarah.complaints(), [])

    async def test_paragraphs(self) -> None:
        """
        A paragraph is split at the cursor, and disappears when it is empty.  Another document is
        separate.
        """
        one, other = await self.open("document/?doc=a"), await self.open("document/?doc=a")
        await one.type(ONE, "Onetwo")
        await one.run("document.querySelector(arguments[0]).setSelectionRange(3, 3)", ONE)
        await one.press("Enter")
        await self.reads(other, "One", "two")
        await one.press("Enter")
        await self.reads(other, "One", "", "two")
        await other.type(TWO, "")
        await other.press("Backspace")
        await self.reads(one, "One", "two")
        elsewhere = await self.open("document/?doc=b")
        await self.reads(elsewhere, "")

    async def test_converges(self) -> None:
        """
        Two users who edit one paragraph while one of them is offline end with the same text.
        Other paragraphs keep their text.
        """
        relay = Relay(self.reactor, self.port)
        self.addCleanup(relay.stop)
        one = await self.open("document/", f"http://127.0.0.1:{relay.port}/")
        other = await self.open("document/")
        await one.type(ONE, "begin")
        await one.press("Enter", *"second")
        await self.reads(other, "begin", "second")
        wire = await self.subscribed("doc/welcome", "eve")
        relay.cut()
        await one.type(ONE, "X")
        await one.press("Enter", *"third")
        await other.type(ONE, "Y")
        await self.reads(one, "beginX", "third", "second")
        await self.reads(other, "beginY", "second")
        # The last edit that the daemon takes counts, so it has to take this one first.
        await self.taken(wire, "beginY")
        relay.mend()
        for page in (one, other):
            await self.reads(page, "beginX", "third", "second")
        late = await self.open("document/")
        await self.reads(late, "beginX", "third", "second")

    async def test_anybodysData(self) -> None:
        """
        Malformed edits and cursors do no harm.
        """
        page = await self.open("document/")
        for data in (None, 1, {}, {"paragraph": 1}, {"paragraph": "a", "place": "x", "text": "y"}):
            await self.emit("edit", data, "doc/welcome", persist=True)
        wire = await self.subscribed("doc/welcome", "eve")
        for state in ({}, {"paragraph": "first", "start": -5, "end": "x", "name": {}, "hue": []}):
            wire.tell({"type": "track", "topic": "doc/welcome", "state": state})
        edit = {"paragraph": "b", "place": 2, "text": "good"}
        await self.emit("edit", edit, "doc/welcome", persist=True)
        late = await self.open("document/")
        for each in (page, late):
            await self.reads(each, "good")
            await each.reads("#count", "3 users viewing")
        await page.reads("#trouble", "")
        self.assertEqual(await page.complaints(), [])
