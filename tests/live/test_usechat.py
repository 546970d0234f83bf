"""
The AI SDK's hook C{useChat} on a page, in a browser.
"""

from __future__ import annotations

from urllib.parse import urlencode

from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from aerostack.settings.projects import ProjectConfig
from aerostack.testing import PUBLIC_KEY, makeProject
from aerostack.testing.models import HANG, HOLD, ModelAnswer, chunk, words
from tests.live.models import ModelTests
from tests.live.test_browser import PageTests
from tests.live.test_react import HTML
from tests.web import HERE, Workshop

SAID = "[...document.querySelectorAll('.assistant')].map((each) => each.innerText)"


class UseChatTests(ModelTests, PageTests):
    """
    Runs a page of another origin.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(origins=("http://127.0.0.1:*",), models=("default",))}

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        workshop = Workshop(self.directory / "workshop", [HERE / "apps" / "usechat.jsx"])
        root = Resource()
        root.putChild(b"", Data(HTML, "text/html"))
        root.putChild(b"app.js", Data(workshop.bundle("usechat.jsx"), "text/javascript"))
        site = self.reactor.listenTCP(0, Site(root), interface="127.0.0.1")
        self.addCleanup(site.stopListening)
        self.app = f"http://127.0.0.1:{site.getHost().port}/"

    async def show(self, by: str, **more: str) -> None:
        """
        Open the page, or refresh it.
        """
        api = f"http://127.0.0.1:{self.port}/api/ai/chat"
        query = urlencode({"api": api, "chat": "c1", "key": PUBLIC_KEY, "by": by, **more})
        await self.browser.open(f"{self.app}?{query}")

    async def reads(self, *texts: str) -> None:
        """
        Wait until the assistant has said exactly this.
        """
        await self.browser.until(
            f"return JSON.stringify({SAID}) === JSON.stringify(arguments[0])", list(texts)
        )

    async def begins(self, text: str) -> None:
        """
        Wait until the last message of the assistant begins so.
        """
        await self.browser.until(f"return {SAID}.at(-1)?.startsWith(arguments[0])", text)

    async def play(self, by: str) -> None:
        """
        Ask, refresh in the middle three times, go on, and stop from another tab.

        @param by: C{http} or C{ws}.
        """
        self.model.answers[:] = [
            ModelAnswer([chunk({"content": "0 1 "}), HOLD, *words("2 ", "3").pieces]),
            ModelAnswer([chunk({"content": "endless"})], ending=HANG),
        ]
        await self.show(by)
        await self.browser.until("return Boolean(window.ask)")
        await self.browser.run("ask('Count.')")
        await self.begins("0 1")
        for _ in range(3):
            await self.show(by, resume="1")
            await self.begins("0 1")
        self.model.release()
        await self.reads("0 1 2 3")
        await self.browser.until("return document.getElementById('status').innerText === 'ready'")
        await self.browser.run("ask('Go on for ever.')")
        await self.begins("endless")
        first = await self.browser.run("return document.getElementById('status').innerText")
        self.assertEqual(first, "streaming")
        self.assertEqual(await self.browser.run("return stop_()"), 200)
        await self.browser.until("return document.getElementById('status').innerText === 'ready'")
        await self.until(lambda: not self.model.open)
        self.assertEqual(
            await self.browser.run("return document.getElementById('error').innerText"), ""
        )
        self.assertEqual(len(self.model.asked), 2)
        self.assertEqual(await self.browser.complaints(), [])

    async def test_http(self) -> None:
        """
        The hook works over HTTP.
        """
        await self.play("http")

    async def test_webSocket(self) -> None:
        """
        The hook works over a WebSocket.
        """
        await self.play("ws")
