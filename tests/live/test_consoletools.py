"""
The console's tools: the explanation of missing frames, and the inspector.
"""

from __future__ import annotations

from aerostack.settings.projects import ProjectConfig
from aerostack.testing import SECRET_KEY, makeProject
from tests.live.consolepage import HOSTILE, ConsoleTests


class WhyTests(ConsoleTests):
    """
    Tests for the view I{Why didn't it arrive?}.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            **super().projects(),
            "q": makeProject(
                id="q", publicKey="pk_of_q_23456789abcd", secretKey="sk_of_q_23456789abcd"
            ),
        }

    async def test_why(self) -> None:
        """
        The view shows a verdict and its findings, the user's connections and what they get, and it
        updates while things change.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        await self.console.open(view="why")
        await self.console.fill("why-form", user="ann", topic="orders")
        await self.console.reads("why-verdict", "ann has no connection now.")
        await self.console.reads("why-said", "ann has no connection now.")
        self.assertEqual(await self.tone(), "problem")
        ann = await self.client("ann")
        await self.console.reads("why-verdict", "not subscribed to table/orders/p")
        frame = {"type": "subscribe", "topic": "orders", "filter": {"status": HOSTILE}}
        ann.tell(frame)
        await self.console.reads("why-verdict", f'its filter: {{"status": "{HOSTILE}"}}')
        self.assertEqual(await self.tone(), "notice")
        gets = f'filter {{"status":"{HOSTILE}"}}'
        await self.console.rows("why-connections", 1, "yes", "live", gets)
        self.execute("INSERT INTO orders VALUES (1, 'new')")
        await self.console.reads("why-verdict", "the row does not meet its filter")
        await self.console.reads("why-stream", "INSERT, ")
        await self.console.reads("why-feed", "Up")
        await self.browser.screenshot("console-why")
        ann.drop()
        await self.console.reads("why-verdict", "without a word")
        ((_, _, code, _),) = await self.console.rows("why-ended", 1)
        self.assertEqual(code, "")

        await self.subscribed("chat/x", "ben")
        await self.emit("e", {}, "chat/x")
        await self.console.go("connections")
        await self.console.fill("connections-form", user="ben", topic="chat/x")
        await self.console.rows("connections-table", 1, "ben")
        await self.browser.run("document.querySelector('#connections-table a').click()")
        await self.console.reads("why-verdict", "What is published on chat/x/p reaches ben.")
        self.assertEqual(await self.tone(), "fine")
        self.assertEqual(await self.mistakes(), [])

    async def test_otherProject(self) -> None:
        """
        For a topic of another project the view shows the error in its place, and other questions
        still work.
        """
        await self.console.open(view="why")
        for view in ("why", "inspector"):
            await self.console.go(view)
            fields = {"topic": "chat/x/q", **({"user": "ann"} if view == "why" else {})}
            await self.console.fill(f"{view}-form", **fields)
            await self.browser.until(
                "return document.querySelector(`#${arguments[0]} > .error`).innerText"
                ".includes('belongs to the project q')",
                view,
            )
        await self.subscribed("chat/x")
        await self.console.go("overview")
        await self.console.reads("tiles", "Connections\n1")
        await self.console.says("Live")

    async def tone(self) -> str | None:
        """
        Return the severity of the verdict.
        """
        tone = await self.browser.run("return document.getElementById('why-verdict').dataset.tone")
        return tone if tone is None else str(tone)

    async def test_notSaidAgain(self) -> None:
        """
        A screen reader does not read a verdict again if only its seconds changed.
        """
        (await self.client("ann")).drop()
        await self.console.open(view="why?user=ann&topic=chat%2Fx")
        await self.console.reads("why-verdict", "ann has no connection now.")
        verdict = "return document.getElementById('why-verdict').innerText"
        first, said = [
            await self.browser.run(f"return document.getElementById('{name}').textContent")
            for name in ("why-verdict", "why-said")
        ]
        await self.browser.until(f"{verdict} !== arguments[0]", first)
        again = "return document.getElementById('why-said').textContent"
        self.assertEqual(await self.browser.run(again), said)


class InspectorTests(ConsoleTests):
    """
    Tests for the inspector, which shows frames and publishes events.
    """

    frames = "return [...document.querySelectorAll('#frames summary')].map((it) => it.innerText)"

    async def shown(self, text: str) -> list[str]:
        """
        Wait until the inspector shows a frame that contains a text.

        @return: The texts of all frames, newest first.
        """
        await self.browser.until(
            "return document.getElementById('frames').innerText.includes(arguments[0])", text
        )
        frames: list[str] = await self.browser.run(self.frames)
        return frames

    async def test_watching(self) -> None:
        """
        Changes, events and presence appear as subscribers get them.  An open frame shows all of
        its data, and the list stops meanwhile.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        await self.console.open(view="inspector")
        await self.console.fill("inspector-form", topic="orders")
        await self.console.reads("frames-state", "Watching table/orders/p.")
        self.execute("INSERT INTO orders VALUES (1, 'new')")
        await self.shown("INSERT")
        self.execute("UPDATE orders SET status = 'shipped'")
        newest, _ = await self.shown("UPDATE")
        self.assertIn('{"old":{"id":1,"status":"new"},"new":{"id":1,"status":"shipped"}}', newest)
        await self.browser.run("document.querySelector('#frames summary').click()")
        await self.shown("Position ")
        self.execute("DELETE FROM orders")
        await self.console.reads("frames-count", "1 waiting")
        self.assertEqual(len(await self.browser.run(self.frames)), 2)
        await self.browser.screenshot("console-inspector")
        await self.console.click("frames-pause")
        await self.shown("DELETE")

        ann = await self.present("ann", "chat/x", {})
        await self.console.go("inspector?topic=chat%2Fx")
        await self.console.reads("frames-state", "Watching chat/x/p.")
        self.assertEqual(await self.browser.run(self.frames), [])
        ann.tell({"type": "track", "topic": "chat/x", "state": {"typing": HOSTILE}})
        await self.shown("presence:update")
        await self.emit(HOSTILE, {"text": HOSTILE}, "chat/x")
        # The frame before has the same text, but under another name.
        (newest, _) = await self.shown('"text"')
        self.assertIn(HOSTILE, newest)
        await self.console.click("inspector-stop")
        await self.console.reads("frames-state", "Stopped.")
        while len(self.front.hub.registry.subscribers("chat/x/p")) > 1:
            await self.sleep(0.02)
        self.assertEqual(await self.mistakes(), [])

    async def test_acting(self) -> None:
        """
        The operator watches and publishes as a user, filters the frames, and chooses a topic among
        those that the field suggests.
        """
        ann = await self.subscribed("chat/x", "ann")
        await self.console.open(view="inspector")
        await self.browser.run(
            "const field = document.querySelector('#inspector-form [name=topic]');"
            "field.focus(); field.value = 'cha';"
            "field.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        await self.browser.until("return document.querySelector('#topic-names option')")
        name = await self.browser.run("return document.querySelector('#topic-names option').value")
        self.assertEqual(name, "chat/x")
        await self.console.fill("acting-form", user="ben")
        await self.console.reads("acting-summary", "As ben")
        await self.console.fill("inspector-form", topic=name)
        await self.console.reads("frames-state", "Watching chat/x")
        await self.until(lambda: self.topics.get("chat/x/p") == 2)
        await self.console.fill("publish-form", event="greeting", data='{"text": "hello"}')
        frame = await ann.frame()
        self.assertEqual((frame["event"], frame["userId"]), ("greeting", "ben"))
        ann.tell({"type": "publish", "topic": "chat/x", "event": "answer", "data": 1})
        await self.shown("answer")
        await self.filter(user="be")
        self.assertNotIn("answer", "".join(await self.shown("greeting")))
        await self.filter(event="ans")
        self.assertNotIn("greeting", "".join(await self.shown("answer")))
        await self.console.fill("acting-form", user="", credential="pk_of_nobody_0123456789")
        await self.browser.until(
            "return document.querySelector('#inspector > .error').innerText.length > 10"
        )
        # The next user is not refused: the inspector watches again, and shows no old message.
        await self.console.fill("acting-form", user="cem", credential="")
        await self.console.reads("frames-state", "Watching chat/x")
        error = "return document.querySelector('#inspector > .error').innerText"
        self.assertEqual(await self.browser.run(error), "")
        # The console comes back as a client does.
        self.assertEqual((await self.rpc("user.disconnect", "cem"))[0], 200)
        await self.until(lambda: self.topics.get("chat/x/p") == 1)
        await self.until(lambda: self.topics.get("chat/x/p") == 2)
        await self.console.reads("frames-state", "Watching chat/x")
        await self.browser.run("document.querySelector('#acting-form [type=reset]').click()")
        await self.console.reads("acting-summary", "As the operator")

    async def filter(self, **fields: str) -> None:
        """
        Filter the frames by the texts in these fields, and by no other.
        """
        await self.browser.run(
            "const form = document.getElementById('frames-filter'); form.reset();"
            "for (const [name, text] of Object.entries(arguments[0]))"
            " form.elements[name].value = text;"
            "form.dispatchEvent(new Event('input'))",
            fields,
        )

    async def test_leaving(self) -> None:
        """
        After the user leaves the view, the page gets no more frames.
        """
        await self.console.open(view="inspector?topic=chat%2Fx")
        await self.console.reads("frames-state", "Watching chat/x/p.")
        self.assertEqual(len(self.front.hub.registry.subscribers("chat/x/p")), 1)
        await self.console.go("overview")
        while self.front.hub.registry.subscribers("chat/x/p"):
            await self.sleep(0.02)

    async def test_publishing(self) -> None:
        """
        A published event reaches subscribers and, on request, the history.  An event that is not
        JSON, or that the daemon refuses, shows an error and stays in the form.
        """
        ann = await self.subscribed("chat/x", "ann")
        await self.console.open(view="inspector?topic=chat%2Fx")
        await self.console.reads("frames-state", "Watching chat/x/p.")
        await self.console.fill("publish-form", event="greeting", data='{"text": "hello"')
        await self.console.reads("publish-error", "This is not JSON")
        focus = "return document.activeElement.name"
        self.assertEqual(await self.browser.run(focus), "data")
        await self.console.fill("publish-form", data='{"text": "hello"}', persist="yes")
        await self.console.reads("publish-state", "Published to chat/x at ")
        frame = await ann.frame()
        self.assertEqual((frame["event"], frame["data"]), ("greeting", {"text": "hello"}))
        await self.shown("greeting")
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        path = "/api/v1/public/realtime/history?room=chat/x"
        _, history, _ = await self.http("GET", path, **headers)
        self.assertEqual([kept["event"] for kept in history["messages"]], ["greeting"])
        await self.console.fill("publish-form", event="presence:join")
        await self.console.reads("publish-error", "Not published: ")
        await self.console.fill("inspector-form", topic="chat//x")
        await self.browser.until(
            "return document.querySelector('#inspector > .error').innerText.length > 10"
        )
        await self.console.reads("frames-state", "Nothing is watched.")
