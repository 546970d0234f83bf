"""
Token streams with two daemons that share their topics.
"""

from __future__ import annotations

from typing import Any

from aerostack.testing import SECRET_KEY
from tests.live.nodes import NodesTests
from tests.live.wire import Frame, Wire

TOPIC = "ai-chat/7/p"


class NodeStreamTests(NodesTests):
    """
    Tests for streams that run at the first daemon.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.places: dict[Wire, str] = {}

    async def call(self, method: str, *args: Any) -> Any:
        """
        Call a method of the RPC of the first daemon.
        """
        self.at(0)
        status, answer = await self.rpc(method, *args)
        self.assertEqual(status, 200, answer)
        return answer

    async def read(self, watcher: Wire, text: str, found: str = "") -> list[str]:
        """
        Read what a watcher gets, up to a text; give the names of the events.

        @param found: The text that it has.
        """
        events = []
        while found != text:
            frame, found = await self.next(watcher, found)
            events.append(frame.get("event", frame["type"]))
        return events

    async def next(self, watcher: Wire, found: str) -> tuple[Frame, str]:
        """
        Read one frame; give it, and the text with it.
        """
        frame = await watcher.frame()
        if "pos" in frame:
            self.places[watcher] = frame["pos"]
        if frame.get("event") == "ai:token":
            self.assertLessEqual(frame["at"], len(found))
            known = found[: frame["at"]] if frame.get("reset") else found
            found = known + frame["data"]["token"][len(known) - frame["at"] :]
        return frame, found

    async def test_everywhere(self) -> None:
        """
        Watchers at both daemons get the text and the end, in the same order, and a client that
        comes later to a daemon that follows the topic gets the text so far.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        await self.call("ai.start", TOPIC, {"stream": "a1"})
        text = ""
        for number in range(50):
            piece = f"{number} "
            await self.call("ai.append", "a1", 1, [{"part": "0", "at": len(text), "text": piece}])
            text += piece
        await self.read(here, text)
        await self.read(there, text)
        late, answer = await self.join(1, TOPIC)
        self.assertNotIn("pos", answer)
        await self.read(late, text)
        ended = await self.call("ai.end", "a1", 1)
        self.assertTrue(ended["kept"])
        for watcher in (here, there, late):
            frame = await watcher.frame()
            self.assertEqual((frame["event"], frame["state"]), ("ai:done", "done"))

    async def test_elsewhere(self) -> None:
        """
        A producer may send each call to another daemon, and a client cancels at another daemon than
        the stream's: it gets the end before the answer, and no token behind it.
        """
        here, _ = await self.join(0, TOPIC)
        ann, _ = await self.join(1, TOPIC)
        options = {"stream": "a1", "producer": "run", "owner": "u1"}
        await self.call("ai.start", TOPIC, options)

        async def elsewhere(method: str, *args: Any) -> tuple[int, Any]:
            self.at(1)
            return await self.rpc(method, *args)

        status, started = await elsewhere("ai.start", TOPIC, options)
        self.assertEqual((status, started.get("epoch")), (200, 1), started)
        pieces = [
            {"part": "0", "at": 0, "text": "abc"},
            {"part": "d", "kind": "data", "value": {"name": "n"}},
        ]
        status, grown = await elsewhere("ai.append", "a1", 1, pieces)
        self.assertEqual((status, grown["length"]), (200, {"0": 3, "d": 0}))
        status, refusal = await elsewhere(
            "ai.append", "a1", 1, [{"part": "0", "at": 9, "text": "x"}]
        )
        self.assertEqual((status, refusal["error"], refusal["length"]["0"]), (409, "stream_gap", 3))
        self.assertEqual((await elsewhere("ai.beat", "a1", 1))[1]["lease"], 30000)
        self.assertEqual((await elsewhere("ai.get", "a1"))[1]["text"], "abc")
        self.assertEqual((await elsewhere("ai.get", "a2"))[0], 404)
        await self.read(here, "abc")
        await self.read(ann, "abc")
        ann.tell({"type": "stream_cancel", "stream": "a1", "id": "c"})
        events = [await ann.frame() for _ in range(3)]
        self.assertEqual(
            [e.get("event", e["type"]) for e in events], ["ai:data", "ai:done", "stream_ack"]
        )
        status, ended = await elsewhere("ai.end", "a1", 1)
        self.assertEqual((status, ended["state"], ended["by"]), (409, "cancelled", "u1"))
        await self.call("ai.start", TOPIC, {"stream": "a3"})
        status, ended = await elsewhere("ai.end", "a3", 1, {"usage": {"tokens": 1}})
        self.assertEqual((status, ended["kept"]), (200, True))

    async def test_balanced(self) -> None:
        """
        What a server emits behind a load balancer is one stream: watchers at both daemons get the
        text and one end, and the history has the text.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        text = ""
        for number in range(20):
            self.at(number % 2)
            await self.emit("ai:token", {"token": f"{number} "}, TOPIC)
            text += f"{number} "
        self.at(1)
        _, receipt = await self.rpc("socket.emit", "ai:done", {}, TOPIC, {"persist": True})
        for watcher in (here, there):
            await self.read(watcher, text)
            frame = await watcher.frame()
            self.assertEqual((frame["event"], frame["state"]), ("ai:done", "done"))
        status, answer = await self.rpc("ai.get", frame["stream"])
        self.assertEqual((status, answer["text"]), (200, text))
        path = "/api/v1/public/realtime/history?room=ai-chat/7"
        _, page, _ = await self.http("GET", path, Authorization=f"Bearer {SECRET_KEY}")
        (kept,) = page["messages"]
        self.assertEqual((kept["id"], kept["data"]["text"]), (receipt["id"], text))

    async def test_stranger(self) -> None:
        """
        The first watcher at a daemon that has not followed the topic until then gets the text so
        far although the stream is still; so does one who comes afterwards.
        """
        here, _ = await self.join(0, TOPIC)
        await self.call("ai.start", TOPIC, {"stream": "a1", "owner": "ann"})
        for at in range(5):
            await self.call("ai.append", "a1", 1, [{"part": "0", "at": at, "text": "x"}])
        await self.read(here, "xxxxx")
        there, _ = await self.join(1, TOPIC)
        self.assertEqual((await self.read(there, "xxxxx"))[0], "ai:start")
        await self.call("ai.append", "a1", 1, [{"part": "0", "at": 5, "text": "y"}])
        await self.read(there, "xxxxxy", "xxxxx")
        late, _ = await self.join(1, TOPIC)
        await self.read(late, "xxxxxy")
        await self.call("ai.end", "a1", 1)
        for watcher in (there, late):
            self.assertEqual((await watcher.frame())["event"], "ai:done")

    async def test_unfound(self) -> None:
        """
        If no daemon has followed the topic when the stream began, the shared log lacks the
        beginning: a watcher at another daemon gets it from the stream's daemon, however long it is,
        and so does one who comes later.
        """
        long = "x" * 100_000
        await self.call("ai.start", TOPIC, {"stream": "a1"})
        await self.call("ai.append", "a1", 1, [{"part": "0", "at": 0, "text": long}])
        await self.call(
            "ai.append", "a1", 1, [{"part": "d", "kind": "data", "value": {"name": "n"}}]
        )
        there, _ = await self.join(1, TOPIC)
        here, _ = await self.join(0, TOPIC)
        await self.read(here, long)
        self.assertEqual((await here.frame())["event"], "ai:data")
        await self.call("ai.append", "a1", 1, [{"part": "0", "at": len(long), "text": "def"}])
        events = await self.read(there, long + "def")
        self.assertEqual(events[0], "ai:start")
        late, _ = await self.join(1, TOPIC)
        await self.read(late, long + "def")
        await self.call("ai.end", "a1", 1)
        for watcher in (there, late):
            while (frame := await watcher.frame())["event"] != "ai:done":
                self.assertIn(frame["event"], ("ai:data", "ai:token"))

    async def test_takenBack(self) -> None:
        """
        Text that is taken back is so at both daemons, for watchers that are there, come later or
        come back.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        await self.call("ai.start", TOPIC, {"stream": "a1"})
        await self.call("ai.append", "a1", 1, [{"part": "0", "at": 0, "text": "Hello wrold"}])
        positions = []
        for watcher in (here, there):
            await self.read(watcher, "Hello wrold")
            positions.append(self.places[watcher])
        back = {"part": "0", "at": 7, "text": "orld", "edition": 1}
        self.at(1)
        status, grown = await self.rpc("ai.append", "a1", 1, [back])
        self.assertEqual((status, grown["length"]), (200, {"0": 11}))
        await self.call("ai.append", "a1", 1, [{**back, "at": 11, "text": "!"}])
        for watcher in (here, there):
            frame = await watcher.frame()
            self.assertEqual((frame["at"], frame["reset"]), (7, True))
            text = frame["data"]["token"]
            while text != "orld!":
                text += (await watcher.frame())["data"]["token"]
        for number, position in enumerate(positions):
            late, _ = await self.join(number, TOPIC)
            await self.read(late, "Hello world!")
            again, answer = await self.join(number, TOPIC, since=position)
            self.assertTrue(answer["recovered"])
            frame = await again.frame()
            self.assertEqual((frame["at"], frame["reset"]), (7, True))
            self.assertEqual(frame["data"]["token"], "orld!")
        ended = await self.call("ai.end", "a1", 1)
        self.assertTrue(ended["kept"])

    async def test_back(self) -> None:
        """
        A watcher that was cut off in the middle goes on at the other daemon, with the exact text.
        """
        others = [(await self.join(number, TOPIC))[0] for number in (0, 1)]
        watcher, _ = await self.join(0, TOPIC)
        await self.call("ai.start", TOPIC, {"stream": "a1"})
        text = found = ""
        for number in range(1, 7):
            before = text
            for piece in (f"{number}", "x" * number):
                operation = {"part": "0", "at": len(text), "text": piece}
                await self.call("ai.append", "a1", 1, [operation])
                text += piece
            # Both daemons have what the watcher has.
            for other in others:
                await self.read(other, text, before)
            _, found = await self.next(watcher, found)
            watcher.drop()
            place = self.places[watcher]
            watcher, answer = await self.join(number % 2, TOPIC, since=place)
            self.assertTrue(answer["recovered"], answer)
            self.places[watcher] = answer["pos"]
        await self.read(watcher, text, found)

    async def test_fenced(self) -> None:
        """
        A producer that was replaced at one daemon is refused at both, and the same text twice, once
        at each, counts once.
        """
        watcher, _ = await self.join(1, TOPIC)
        await self.call("ai.start", TOPIC, {"stream": "a1", "producer": "run"})
        first = [{"part": "0", "at": 0, "text": "abc"}]
        for number in (0, 1, 0):
            self.at(number)
            status, grown = await self.rpc("ai.append", "a1", 1, first)
            self.assertEqual((status, grown["length"]), (200, {"0": 3}))
        self.at(1)
        options = {"stream": "a1", "producer": "other", "takeover": True}
        status, started = await self.rpc("ai.start", TOPIC, options)
        self.assertEqual((status, started["epoch"]), (200, 2))
        for number in (0, 1):
            self.at(number)
            late = [{"part": "0", "at": 3, "text": "late"}]
            status, refusal = await self.rpc("ai.append", "a1", 1, late)
            self.assertEqual((status, refusal["error"]), (409, "stream_fenced"))
        await self.call("ai.append", "a1", 2, [{"part": "0", "at": 3, "text": "def"}])
        await self.read(watcher, "abcdef")

    async def test_forged(self) -> None:
        """
        What clients publish at one daemon is no part of a stream at the other.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        await self.call("ai.start", TOPIC, {"stream": "a1"})
        for watcher in (here, there):
            self.assertEqual((await watcher.frame())["event"], "ai:start")
        for event in ("ai:token", "ai:done"):
            forged = {"stream": "a1", "part": "0", "at": 0, "state": "done"}
            data = {"token": "x", **forged}
            await self.say(there, TOPIC, data, event=event, **forged)
            frame = await here.frame()
            self.assertEqual((frame["event"], frame["data"]), (event, data))
            self.assertEqual(frame.keys() & forged.keys(), set())
        self.at(1)
        _, found = await self.rpc("ai.get", "a1")
        self.assertEqual((found["state"], found["text"]), ("streaming", ""))

    async def test_withoutWatchers(self) -> None:
        """
        A stream that nobody watches grows and ends.
        """
        await self.call("ai.start", TOPIC, {"stream": "a1"})
        for at in range(5):
            await self.call("ai.append", "a1", 1, [{"part": "0", "at": at, "text": "x"}])
        self.assertEqual((await self.call("ai.end", "a1", 1))["kept"], True)
        _, answer = await self.join(0, TOPIC)
        self.assertIn("pos", answer)
        self.assertEqual(len(self.daemons[0].node.streams.answers), 0)

    async def test_emitted(self) -> None:
        """
        Tokens that a server emits are a stream at both daemons.
        """
        there, _ = await self.join(1, TOPIC)
        self.at(0)
        for token in ("Hel", "lo"):
            await self.emit("ai:token", {"token": token}, TOPIC)
        await self.read(there, "Hello")
        late, _ = await self.join(1, TOPIC)
        await self.read(late, "Hello")
