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
    Tests with two pages of the chat.
    """

    async def reads(self, page: Page, *texts: str) -> None:
        """
        Wait until a page shows exactly these messages.
        """
        await page.reads("#messages li > :last-child", *texts)

    async def say(self, page: Page, text: str) -> None:
        """
        Send a message.
        """
        await page.type("#text", text)
        await page.press("Enter")

    async def typing(self, page: Page, name: str) -> None:
        """
        Wait until a page has shown, since L{lookOut}, that a user is typing; the page soon hides
        it again.
        """
        await page.until("return typing_.includes(arguments[0])", f"{name} is typing…")

    async def lookOut(self, page: Page) -> None:
        """
        Make a page record from now on who it shows as typing.
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
        Publish kept messages from outside of the pages.
        """
        for text in texts:
            data = {"text": text, "author": author}
            await self.emit("message", data, "chat/engineering", persist=True, userId=author)

    async def test_sideBySide(self) -> None:
        """
        Each page shows the other's messages, who is present, and who is typing.  The typing note
        disappears when the message arrives or the typing stops.
        """
        await self.keep("Good morning!", "The build is <b>green</b>.")
        sarah = await self.open("chat/?name=Sarah")
        await self.reads(sarah, "Good morning!", "The build is <b>green</b>.")
        tom = await self.open("chat/?name=Tom")
        await self.reads(tom, "Good morning!", "The build is <b>green</b>.")
        for page in (sarah, tom):
            await page.reads("#count", "2 users here")
            await page.reads("#people .unseen", "Sarah", "Tom")
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
        A page counts the messages of another chat room until the user opens that room.  The user
        is present only in the open room.
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
        A page reads earlier messages page by page, each once and in order, even while new ones
        arrive.  A page that is opened later reads the same messages.
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
        After a network cut both pages have the messages from either side once and in the same
        order.
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
        await one.reads("#messages .waiting", "waiting to be sent")
        relay.mend()
        for page in (one, other):
            await self.reads(page, "before", "from other", "from one")
            await page.until("return document.querySelector('.pending') === null")

    async def test_restarted(self) -> None:
        """
        After a restart of the daemon every message is there once.
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
        The minimal chat from the documentation exchanges messages with the full one.
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
        Messages of an unexpected form do no harm.
        """
        page = await self.open("chat/")
        for data in (None, 7, "x", [], {}, {"text": {"a": 1}, "author": [1]}):
            await self.emit("message", data, "chat/engineering", persist=True)
        await self.keep("good")
        await page.until(f"return (() => {{ {TEXTS} }})().at(-1) === 'good'")
        shown = await page.run(f"return (() => {{ {TEXTS} }})()")
        self.assertEqual(shown, ["good"])
        wire = await self.subscribed("chat/engineering", "eve")
        for state in ({}, {"name": None, "typing": 1, "hue": "red; x"}, {"name": ["x"]}):
            wire.tell({"type": "track", "topic": "chat/engineering", "state": state})
        await page.reads("#count", "2 users here")
        for number in range(20):
            other = await self.subscribed("chat/engineering", f"user{number}")
            state = {"name": "N" * 100, "typing": number == 0}
            other.tell({"type": "track", "topic": "chat/engineering", "state": state})
        await page.reads("#count", "22 users here")
        await page.reads("#people li:last-child", "+11 others")
        await page.reads("#trouble", "")
        self.assertEqual(await page.complaints(), [])
