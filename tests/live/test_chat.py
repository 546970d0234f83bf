"""
The example of the chat, in a browser.
"""

from __future__ import annotations

from typing import Any

from tests.live.examples import ExampleTests, Page
from tests.live.relay import Relay

TEXTS = "return [...document.querySelectorAll('#messages li')].map((it) => it.lastChild.innerText)"


class ChatTests(ExampleTests):
    """
    Two pages of it.
    """

    async def reads(self, page: Page, *texts: str) -> None:
        """
        Wait until exactly this was said, on a page.
        """
        await page.reads("#messages li > :last-child", *texts)

    async def say(self, page: Page, text: str) -> None:
        """
        Say something.
        """
        await page.type("#text", text)
        await page.press("Enter")

    async def typing(self, page: Page, name: str) -> None:
        """
        Wait until a page has shown, since L{lookOut}, that somebody types: that goes by itself.
        """
        await page.until("return typing_.includes(arguments[0])", f"{name} is typing…")

    async def lookOut(self, page: Page) -> None:
        """
        Have a page note from now on who it says is typing.
        """
        await page.run(
            """
            const shown = document.getElementById("typing");
            window.typing_ = [];
            new MutationObserver(() => typing_.push(shown.textContent))
              .observe(shown, {childList: true, characterData: true, subtree: true});
            """
        )

    async def keep(self, *texts: str, author: str = "Ada") -> None:
        """
        Say things from somewhere else.
        """
        for text in texts:
            data = {"text": text, "author": author}
            await self.emit("message", data, "chat/engineering", persist=True, userId=author)

    async def test_sideBySide(self) -> None:
        """
        What one says the other reads; who is typing is shown, until the message is there or
        nothing more comes; and who is there is shown.
        """
        await self.keep("Good morning!", "The build is <b>green</b>.")
        sarah = await self.open("chat/?name=Sarah")
        await self.reads(sarah, "Good morning!", "The build is <b>green</b>.")
        tom = await self.open("chat/?name=Tom")
        await self.reads(tom, "Good morning!", "The build is <b>green</b>.")
        for page in (sarah, tom):
            await page.reads("#count", "2 users here")
            await page.reads("#people .hidden", "Sarah", "Tom")
        for page in (sarah, tom):
            await self.lookOut(page)
        await sarah.type("#text", "Hello")
        await self.typing(tom, "Sarah")
        await sarah.reads("#typing", "")
        await sarah.press(*", Tom!", "Enter")
        await tom.reads("#typing", "")
        said = ("Good morning!", "The build is <b>green</b>.", "Hello, Tom!")
        for page in (sarah, tom):
            await self.reads(page, *said)
            await page.reads(".who b", "Ada", "Ada", "Sarah")
        await self.say(tom, "Hi Sarah")
        await self.reads(sarah, *said, "Hi Sarah")
        await tom.type("#text", "I was about to")
        await self.typing(sarah, "Tom")
        await sarah.type("#text", "Me")
        await self.picture("chat", sarah, tom)
        await sarah.reads("#typing", "")
        await tom.close()
        await sarah.reads("#count", "1 user here")
        self.assertEqual(await sarah.complaints(), [])

    async def test_rooms(self) -> None:
        """
        What is said in another room is counted until one looks there; one is present in the
        room that one looks at.
        """
        sarah, tom = await self.open("chat/?name=Sarah"), await self.open("chat/?room=design")
        await sarah.reads("#count", "1 user here")
        await self.say(tom, "one")
        await self.say(tom, "two")
        await sarah.reads("#rooms li", "# engineering", "# design 2 unread", "# random")
        await sarah.click("#rooms li:nth-child(2) button")
        await self.reads(sarah, "one", "two")
        await sarah.reads("#count", "2 users here")
        await sarah.reads("#rooms li", "# engineering", "# design", "# random")
        await sarah.click("#rooms li:nth-child(1) button")
        await tom.reads("#count", "1 user here")
        await self.reads(sarah)

    async def test_scrollBack(self) -> None:
        """
        What was said before is read page by page, each message once and in order, also while
        something is said; and who comes later reads the same.
        """
        before = [f"m{n}" for n in range(75)]
        await self.keep(*before)
        page = await self.open("chat/")
        await self.reads(page, *before[-30:])
        await self.keep("new")
        await self.reads(page, *before[-30:], "new")
        await page.click("#older")
        await self.reads(page, *before[-60:], "new")
        await page.run("document.getElementById('log').scrollTop = 0")
        await self.reads(page, *before, "new")
        await page.until("return document.getElementById('older').hidden")

    async def test_networkCut(self) -> None:
        """
        When the network was away, what was said meanwhile on either side is there once and in
        the same order on both.
        """
        relay = Relay(self.reactor, self.port)
        self.addCleanup(relay.stop)
        one = await self.open("chat/", f"http://127.0.0.1:{relay.port}/")
        other = await self.open("chat/")
        await self.say(one, "before")
        await self.reads(other, "before")
        relay.cut()
        await self.say(one, "from one")
        await self.say(other, "from other")
        await self.reads(other, "before", "from other")
        await self.reads(one, "before", "from one")
        relay.mend()
        for page in (one, other):
            await self.reads(page, "before", "from other", "from one")
            await page.until("return document.querySelector('.pending') === null")

    async def test_restarted(self) -> None:
        """
        When the daemon was away, everything that was said is there, once.
        """
        page = await self.open("chat/")
        await self.say(page, "before")
        await self.reads(page, "before")
        port = self.port
        await self.stop()
        await page.reads("#status", "Connecting again…")
        await self.say(page, "meanwhile")
        await self.start(port)
        await self.connected(page)
        await self.keep("after")
        await page.until("return document.querySelectorAll('#messages li').length === 3")
        await page.until("return document.querySelector('.pending') === null")
        said: list[Any] = await page.run(TEXTS)
        self.assertEqual(sorted(said), ["after", "before", "meanwhile"])

    async def test_smallest(self) -> None:
        """
        The documentation's lines talk with the large chat.
        """
        small, large = await self.open("chat/smallest.html"), await self.open("chat/")
        await self.say(small, "<i>hello</i>")
        await self.reads(large, "<i>hello</i>")
        await self.say(large, "hello back")
        await small.until(
            "return [...document.querySelectorAll('#messages li')].map((it) => it.innerText)"
            ".join('|').match(/^\\w+ <i>hello<.i>\\|\\w+ hello back$/)"
        )

    async def test_anybodysData(self) -> None:
        """
        Messages that are no messages of this page's do no harm.
        """
        page = await self.open("chat/")
        for data in (None, 7, "x", [], {}, {"text": {"a": 1}, "author": [1]}):
            await self.emit("message", data, "chat/engineering", persist=True)
        await self.keep("good")
        await page.until(f"return (() => {{ {TEXTS} }})().at(-1) === 'good'")
        wire = await self.subscribed("chat/engineering", "eve")
        for state in ({}, {"name": None, "typing": 1, "hue": "red; x"}, {"name": ["x"]}):
            wire.tell({"type": "track", "topic": "chat/engineering", "state": state})
        await page.reads("#count", "2 users here")
        await page.reads("#trouble", "")
        self.assertEqual(await page.complaints(), [])
