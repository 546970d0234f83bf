"""
Token streams with two daemons that share their topics.
"""

from __future__ import annotations

from typing import Any

from tests.live.nodes import NodesTests
from tests.live.wire import Wire

TOPIC = "ai-chat/7/p"


class NodeStreamTests(NodesTests):
    """
    Tests for streams that run at the first daemon.
    """

    async def call(self, method: str, *args: Any) -> Any:
        """
        Call a method of the RPC of the first daemon.
        """
        self.at(0)
        status, answer = await self.rpc(method, *args)
        self.assertEqual(status, 200, answer)
        return answer

    async def read(self, watcher: Wire, text: str) -> list[str]:
        """
        Read what a watcher gets, up to a text; give the names of the events.
        """
        found, events = "", []
        while found != text:
            frame = await watcher.frame()
            events.append(frame.get("event", frame["type"]))
            if frame.get("event") == "ai:token":
                self.assertLessEqual(frame["at"], len(found))
                found += frame["data"]["token"][len(found) - frame["at"] :]
        return events

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

    async def test_stranger(self) -> None:
        """
        The first watcher at a daemon that has not followed the topic until then gets the text so
        far with the next piece; so does one who comes afterwards.
        """
        here, _ = await self.join(0, TOPIC)
        await self.call("ai.start", TOPIC, {"stream": "a1", "owner": "ann"})
        for at in range(5):
            await self.call("ai.append", "a1", 1, [{"part": "0", "at": at, "text": "x"}])
        await self.read(here, "xxxxx")
        there, _ = await self.join(1, TOPIC)
        await self.emit("e", 1, TOPIC)
        self.assertEqual((await there.frame())["event"], "e")
        await self.call("ai.append", "a1", 1, [{"part": "0", "at": 5, "text": "y"}])
        self.assertEqual((await self.read(there, "xxxxxy"))[0], "ai:start")
        late, _ = await self.join(1, TOPIC)
        await self.read(late, "xxxxxy")
        await self.call("ai.end", "a1", 1)
        for watcher in (there, late):
            self.assertEqual((await watcher.frame())["event"], "ai:done")

    async def test_unfound(self) -> None:
        """
        If no daemon has followed the topic when the stream began, the shared log lacks the
        beginning: a watcher at another daemon gets it from the stream's daemon with the next piece,
        however long it is, and so does one who comes later.
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
