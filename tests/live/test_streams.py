"""
Token streams, with a whole daemon.
"""

from __future__ import annotations

from typing import Any

from aerostack.testing import SECRET_KEY
from tests.live.daemon import DaemonTests
from tests.live.wire import Wire

TOPIC = "ai-chat/7"


class StreamTests(DaemonTests):
    """
    Tests with one process.
    """

    workers = 1

    async def call(self, method: str, *args: Any) -> Any:
        """
        Call a method of the RPC.
        """
        status, answer = await self.rpc(method, *args)
        self.assertEqual(status, 200, answer)
        return answer

    async def read(self, watcher: Wire, until: str = "ai:done") -> tuple[str, list[str]]:
        """
        Read what a watcher gets, up to an event.

        @return: All tokens one behind the other, and the names of the events.
        """
        text, events = "", []
        while until not in events:
            frame = await watcher.frame()
            events.append(frame.get("event", frame["type"]))
            if frame.get("event") == "ai:token":
                text += frame["data"]["token"]
        return text, events

    async def watch(self) -> Wire:
        """
        Subscribe; the answer comes with what follows.
        """
        watcher = await self.client()
        watcher.tell({"type": "subscribe", "topic": TOPIC})
        return watcher

    async def test_calls(self) -> None:
        """
        A server streams by calls.  A client that was there, and one that comes meanwhile, get the
        text once; the history has it as one message, and nothing else is left in the database.
        """
        early = await self.subscribed(TOPIC)
        started = await self.call("ai.start", TOPIC, {"owner": "ann", "meta": {"n": 1}})
        stream, epoch = started["stream"], started["epoch"]
        operations = [{"part": "0", "kind": "text", "at": 0, "text": "Grüße, 😀"}]
        grown = await self.call("ai.append", stream, epoch, operations)
        self.assertEqual(grown["length"], {"0": 9})
        late = await self.watch()
        await self.read(late, "ai:token")
        more = [
            {"part": "0", "at": 9, "text": "!"},
            {"part": "d", "kind": "data", "value": {"name": "n"}},
        ]
        await self.call("ai.append", stream, epoch, more)
        found = await self.call("ai.get", stream)
        self.assertEqual((found["state"], found["text"]), ("streaming", "Grüße, 😀!"))
        ended = await self.call("ai.end", stream, epoch, {"usage": {"tokens": 3}})
        self.assertEqual(ended, {"stream": stream, "state": "done", "kept": True})
        self.assertEqual((await self.read(early))[0], "Grüße, 😀!")
        self.assertEqual((await self.read(late))[0], "!")
        _, health, _ = await self.http("GET", "/health")
        self.assertEqual(health["status"], "ok")
        _, history, _ = await self.http(
            "GET", f"/api/v1/public/realtime/history?room={TOPIC}/p", X_Aerostack_Key=SECRET_KEY
        )
        (message,) = history["messages"]
        self.assertEqual(message["event"], "ai:done")
        self.assertEqual(message["data"]["text"], "Grüße, 😀!")
        status, refusal = await self.rpc("ai.append", stream, epoch, operations)
        self.assertEqual(
            (status, refusal["error"], refusal["state"]), (409, "stream_ended", "done")
        )

    async def test_frames(self) -> None:
        """
        A producer streams by frames, and is told when a client cancels; no token comes behind the
        answer.
        """
        producer = await self.client(key=SECRET_KEY)
        ann = await self.subscribed(TOPIC, "ann")
        producer.tell({"type": "stream_start", "topic": TOPIC, "stream": "a1", "owner": "ann"})
        ack = await producer.frame()
        self.assertEqual((ack["type"], ack["epoch"]), ("stream_ack", 1))
        for at in range(200):
            producer.tell(
                {
                    "type": "stream_append",
                    "stream": "a1",
                    "epoch": 1,
                    "part": "0",
                    "at": at,
                    "text": "x",
                }
            )
        await self.read(ann, "ai:token")
        ann.tell({"type": "stream_cancel", "stream": "a1", "id": "c"})
        _, events = await self.read(ann, "stream_ack")
        self.assertEqual(events[-2:], ["ai:done", "stream_ack"])
        stop = await producer.frame()
        self.assertEqual(
            (stop["type"], stop["state"], stop["by"]), ("stream_stop", "cancelled", "ann")
        )

    async def test_emitted(self) -> None:
        """
        Tokens that a server emits are a stream: a client that comes meanwhile gets the text.
        """
        early = await self.subscribed(TOPIC)
        await self.emit("ai:token", {"token": "Hel", "n": 0}, TOPIC)
        late = await self.watch()
        text, _ = await self.read(late, "ai:token")
        await self.emit("ai:token", {"token": "lo", "n": 1}, TOPIC)
        await self.emit("ai:done", {}, TOPIC, persist=True)
        rest, _ = await self.read(late)
        self.assertEqual(text + rest, "Hello")
        self.assertEqual((await self.read(early))[0], "Hello")

    async def test_restart(self) -> None:
        """
        A stream outlives a restart of the daemon: its producer goes on with it, and cannot end it
        as long as the daemon has less than was written.
        """
        options = {"stream": "a1", "producer": "run", "lease": 600_000}
        await self.call("ai.start", TOPIC, options)
        await self.call("ai.append", "a1", 1, [{"part": "0", "at": 0, "text": "Hel"}])
        await self.stop()
        await self.start()
        started = await self.call("ai.start", TOPIC, options)
        self.assertEqual((started["epoch"], started["length"]), (1, {"0": 3}))
        watcher = await self.watch()
        status, refusal = await self.rpc("ai.end", "a1", 1, {"length": {"0": 5}})
        self.assertEqual((status, refusal["error"]), (409, "stream_gap"))
        self.assertEqual(refusal["length"], {"0": 3})
        await self.call("ai.append", "a1", 1, [{"part": "0", "at": 3, "text": "lo"}])
        await self.call("ai.end", "a1", 1, {"length": {"0": 5}})
        self.assertEqual((await self.read(watcher))[0], "Hello")

    async def test_producerGone(self) -> None:
        """
        A stream whose producer's connection is gone, and whose lease ends, is aborted.
        """
        producer = await self.client(key=SECRET_KEY)
        watcher = await self.subscribed(TOPIC)
        producer.tell({"type": "stream_start", "topic": TOPIC, "stream": "a1", "lease": 1000})
        await producer.frame()
        producer.drop()
        _, events = await self.read(watcher)
        self.assertEqual(events, ["ai:start", "ai:done"])


class WorkerStreamTests(StreamTests):
    """
    The same tests with two workers.
    """

    workers = 2
