"""
The example of the streamed answer, in a browser.
"""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from aerostack.examples import ai
from tests.live.examples import ExampleTests, Page
from tests.live.relay import Relay

ANSWER = "return document.getElementById('answer').textContent"
BUSY = "return document.getElementById('answer').ariaBusy === arguments[0]"


class StreamTests(ExampleTests):
    """
    Tests for the pages of the example.
    """

    async def begun(self, page: Page, least: int) -> None:
        """
        Wait until a page shows a number of characters of an answer.
        """
        await page.until(f"{ANSWER}.length >= {least}")

    async def whole(self, page: Page, question: str) -> None:
        """
        Wait until a page shows the whole answer, once.
        """
        await page.until(f"{ANSWER} === arguments[0]", ai.TEXT.format(question=question))
        await page.until(BUSY, "false")

    def holding(self, token: int) -> Deferred[None]:
        """
        Stop the next answer before one of its tokens.

        @return: Fire it to let the answer continue.
        """
        gate: Deferred[None] = Deferred()
        tokens = count(1)

        def pause(clock: Any, seconds: float) -> Deferred[None]:
            return gate if next(tokens) == token else deferLater(clock, seconds)

        self.patch(ai, "deferLater", pause)
        return gate

    async def post(self, action: str, **given: Any) -> tuple[int, Any]:
        """
        Send a request to the example's server from outside of the page.
        """
        path = f"/examples/api/ai/{action}"
        status, answer, _ = await self.http("POST", path, json.dumps(given).encode())
        return status, answer

    async def test_sideBySide(self) -> None:
        """
        All readers see an answer while it is published, also a reader that comes in the middle.
        The number of readers is right after a page closes.
        """
        pages = [await self.open(f"ai/?name={name}") for name in ("Sarah", "Tom")]
        for page in pages:
            await page.reads("#count", "2 users watching")
        question = "How do a thousand people read along?"
        rest = self.holding(40)
        await pages[0].click("#send")
        for page in pages:
            await self.begun(page, 100)
            await page.until(BUSY, "true")
        status, answer = await self.post("ask", stream="demo", question="me too")
        self.assertEqual((status, answer["error"]), (503, "overloaded"))
        pages.append(await self.open("ai/?name=Cora"))
        await self.begun(pages[2], 100)
        await pages[2].until("return document.getElementById('stop').disabled === false")
        await self.picture("ai", *pages[:2])
        rest.callback(None)
        for page in pages:
            await self.whole(page, question)
            await page.reads("#count", "3 users watching")
            tokens = await page.run("return document.getElementById('tokens').textContent")
            self.assertRegex(
                tokens, r"^\d+ tokens, \d+ a second, [\d.]+ s, the first after \d+ ms, 3 watching$"
            )
        await pages.pop().close()
        await pages[1].reads("#count", "2 users watching")
        await pages[1].run("document.getElementById('question').value = '<b>{0}</b>'")
        await pages[1].click("#send:enabled")
        for page in pages:
            await self.whole(page, "<b>{0}</b>")
        self.assertEqual(await pages[0].complaints(), [])

    async def test_stop(self) -> None:
        """
        A user stops the answer of another user, and nothing more of it comes to anybody.
        """
        pages = [await self.open(f"ai/?name={name}") for name in ("Sarah", "Tom")]
        rest = self.holding(20)
        await pages[0].click("#send")
        for page in pages:
            await self.begun(page, 60)
            await page.until("return document.getElementById('tokens').textContent !== ''")
        await pages[1].click("#stop")
        for page in pages:
            await page.reads("#end", "Stopped.")
            await page.until(BUSY, "false")
        rest.callback(None)
        texts = [await page.run(ANSWER) for page in pages]
        self.assertEqual(texts[0], texts[1])
        self.assertNotIn("Ask again", texts[0])
        # The next question is answered.
        await pages[0].click("#send:enabled")
        for page in pages:
            await self.whole(page, "How do a thousand people read along?")
            await page.reads("#end", "The answer is complete.")
        self.assertEqual(await pages[0].complaints(), [])

    async def test_reload(self) -> None:
        """
        A page that is loaded again after the end of an answer shows the answer.
        """
        self.patch(ai, "PAUSE", 0.001)
        page = await self.open("ai/?name=Sarah")
        await page.click("#send")
        await self.whole(page, "How do a thousand people read along?")
        other = await self.open("ai/?name=Tom")
        await self.whole(other, "How do a thousand people read along?")
        await other.until(
            "return /^[0-9]+ tokens$/.test(document.getElementById('tokens').textContent)"
        )
        await page.run("document.getElementById('question').value = 'And then?'")
        await page.click("#send:enabled")
        for each in (page, other):
            await self.whole(each, "And then?")

    async def test_networkCut(self) -> None:
        """
        A reader that was offline in the middle of an answer has the whole answer in the end.
        """
        relay = Relay(self.reactor, self.port)
        self.addCleanup(relay.stop)
        page = await self.open("ai/", f"http://127.0.0.1:{relay.port}/")
        await self.post("ask", stream="demo", question="why?")
        await self.begun(page, 60)
        relay.cut()
        other = await self.open("ai/")
        await self.begun(other, 200)
        relay.mend()
        for each in (page, other):
            await self.whole(each, "why?")

    async def test_anybodysData(self) -> None:
        """
        Events that others publish on the topic do no harm to the answer.
        """
        page = await self.open("ai/")
        await self.post("ask", stream="demo", question="why?")
        await self.begun(page, 30)
        for event in ("ai:start", "ai:token", "ai:done"):
            for data in ({}, {"token": "x"}, None, "x"):
                await self.emit(event, data, "ai/demo")
        await self.whole(page, "why?")
        await page.reads("#trouble", "")
        # Nor does one that is kept.
        await self.emit("ai:done", {"text": 5}, "ai/demo", persist=True)
        await self.whole(await self.open("ai/"), "why?")
