"""
Two daemons share token streams, and one of them is killed, frozen or stopped.
"""

from __future__ import annotations

from aerostack.testing import SECRET_KEY
from tests.live.lostnodes import OTHER, TOPIC, LostNodesTests


class LostNodeTests(LostNodesTests):
    """
    Tests with watchers at the second daemon, and streams at the first one.
    """

    async def test_killed(self) -> None:
        """
        The other daemon takes the streams over: a producer goes on there from the text that its
        watchers have, and the streams of which no producer comes end, each once, also those that
        the database does not have.
        """
        await self.begin()
        watcher = await self.watch(1)
        long = {"producer": "run", "lease": 60_000}
        await self.done(0, "ai.start", TOPIC, {"stream": "goes", **long})
        await self.done(0, "ai.start", OTHER, {"stream": "unseen", **long})
        await self.append(0, "unseen", 0, "unseen")
        await self.append(0, "goes", 0, "checkpoint")
        await self.checkpointed("unseen", "checkpoint")
        await self.done(0, "ai.start", TOPIC, {"stream": "unkept", "persist": False, **long})
        await self.append(0, "unkept", 0, "unkept")
        await self.done(0, "socket.emit", "ai:token", {"token": "emitted"}, OTHER)
        emitted = await self.watch(1, OTHER)
        await self.done(0, "socket.emit", "ai:token", {"token": "x"}, "ai-chat/9")
        # The database may not have this yet.
        await self.append(0, "goes", 10, " and log")
        await self.done(0, "ai.start", TOPIC, {"stream": "young", **long})
        await self.append(0, "young", 0, "young")
        for stream, text in (("goes", "checkpoint and log"), ("young", "young")):
            await watcher.has(stream, text)
        # The database has it, and its lease does not end before the kill.
        await self.done(0, "ai.start", TOPIC, {"stream": "left", "lease": 10_000})
        await self.append(0, "left", 0, "left")
        await self.checkpointed("left")
        await self.done(0, "ai.beat", "left", 1)
        await self.nodes[0].kill()
        started = await self.done(1, "ai.start", TOPIC, {"stream": "goes", **long})
        self.assertEqual((started["epoch"], started["length"]), (1, {"0": 18}))
        await self.append(1, "goes", 18, " and on")
        ended = await self.done(1, "ai.end", "goes", 1)
        self.assertEqual(ended, {"stream": "goes", "state": "done", "kept": True})
        started = await self.done(1, "ai.start", OTHER, {"stream": "unseen", **long})
        self.assertEqual(started["length"], {"0": 6})
        await self.append(1, "unseen", 6, "!")
        await emitted.has("unseen", "unseen!")
        await self.done(1, "ai.end", "unseen", 1)
        await watcher.until("goes", "left", "unkept")
        self.assertEqual(watcher.texts["goes"], "checkpoint and log and on")
        self.assertEqual(watcher.ends["left"][0]["reason"], "lease")
        self.assertEqual(watcher.ends["unkept"][0]["reason"], "restart")
        if "young" not in watcher.ends:
            # If the database has it, its producer may still come.
            await self.call(1, "ai.cancel", "young")
        await watcher.until("young")
        self.assertEqual([len(ends) for ends in watcher.ends.values()], [1] * 4)
        await self.kept(1, "goes", "done", "checkpoint and log and on")
        await self.kept(1, "left", "aborted", "left")
        await self.forgotten()

    async def test_frozen(self) -> None:
        """
        A daemon that was frozen while another one took its streams over lets them go when it comes
        back: it ends none a second time, its producers go on with the other daemon, and are told to
        stop when their streams are cancelled there.
        """
        await self.begin()
        watchers = [await self.watch(number) for number in (0, 1)]
        self.at(0)
        producer = await self.client(SECRET_KEY)
        emitted = [await self.watch(number, OTHER) for number in (0, 1)]
        await self.done(0, "socket.emit", "ai:token", {"token": "emitted"}, OTHER)
        (implicit,) = {await watcher.first() for watcher in emitted}
        for stream in ("a1", "a2"):
            begun = {"type": "stream_start", "topic": TOPIC, "stream": stream, "lease": 600_000}
            producer.tell({**begun, "producer": "run"})
            self.assertEqual((await producer.frame())["type"], "stream_ack")
        append = {"type": "stream_append", "epoch": 1, "part": "0", "id": "n"}
        producer.tell({**append, "stream": "a1", "at": 0, "text": "Hello"})
        self.assertEqual((await producer.frame())["length"], {"0": 5})
        await self.checkpointed("Hello")
        for watcher in watchers:
            await watcher.has("a1", "Hello")
        self.nodes[0].signal("STOP")
        query = "SELECT count(*) FROM _aerostack.answers WHERE node = 'n1'"
        await self.until(lambda: self.postgres.execute(query) == [(2,)])
        await emitted[1].until(implicit)
        # This comes first when it goes on.
        producer.tell({**append, "stream": "a1", "at": 5, "text": ", you"})
        self.nodes[0].signal("CONT")
        self.assertEqual((await producer.frame())["type"], "stream_ack")
        await self.serving(0)
        while not await self.runsAt(1, "a1", ", you there"):
            # The daemon may have taken the text before it knew that the stream is not its own.
            producer.tell({**append, "stream": "a1", "at": 5, "text": ", you there"})
            self.assertEqual((await producer.frame())["type"], "stream_ack")
        for watcher in watchers:
            await watcher.has("a1", "Hello, you there")
        producer.tell({"type": "stream_end", "stream": "a1", "epoch": 1, "id": "e"})
        self.assertEqual((await producer.frame())["type"], "stream_ack")
        self.at(1)
        _, cancelled = await self.call(1, "ai.cancel", "a2")
        self.assertEqual(cancelled["state"], "cancelled")
        stop = await producer.frame()
        self.assertEqual([stop[name] for name in ("type", "stream")], ["stream_stop", "a2"])
        for watcher in watchers:
            await watcher.until("a1", "a2")
        # The next token is of another stream.
        await self.done(0, "socket.emit", "ai:token", {"token": "again"}, OTHER)
        for watcher in emitted:
            await watcher.until(implicit)
            self.assertNotEqual(await watcher.first(1), implicit)
            self.assertEqual(watcher.texts[implicit], "emitted")
        for watcher in (*watchers, *emitted):
            self.assertEqual({len(ends) for ends in watcher.ends.values()}, {1})
        await self.kept(1, "a1", "done", "Hello, you there")
        await self.forgotten()

    async def runsAt(self, number: int, stream: str, text: str) -> bool:
        """
        Whether a daemon has a stream whose text ends so.
        """
        _, found = await self.call(number, "ai.get", stream)
        return bool(found["text"].endswith(text))

    async def test_stopped(self) -> None:
        """
        The streams of a daemon that is stopped, and not started again, go on at the other one.
        """
        await self.begin()
        watcher = await self.watch(1)
        options = {"stream": "a1", "producer": "run"}
        await self.done(0, "ai.start", TOPIC, options)
        await self.append(0, "a1", 0, "Hello")
        self.nodes[0].signal("TERM")
        await self.nodes[0].ended
        started = await self.done(1, "ai.start", TOPIC, options)
        self.assertEqual((started["epoch"], started["length"]), (1, {"0": 5}))
        await self.append(1, "a1", 5, ", you")
        await self.done(1, "ai.end", "a1", 1)
        await watcher.until("a1")
        self.assertEqual(watcher.texts, {"a1": "Hello, you"})
        self.assertEqual(len(watcher.ends["a1"]), 1)
        await self.forgotten()

    async def test_restarted(self) -> None:
        """
        A daemon that is killed and started again has its streams at once, and watchers at the other
        daemon see them go on.
        """
        await self.begin()
        watcher = await self.watch(1)
        options = {"stream": "a1", "producer": "run", "lease": 60_000}
        await self.done(0, "ai.start", TOPIC, options)
        await self.append(0, "a1", 0, "Hello")
        await self.checkpointed("Hello")
        await self.append(0, "a1", 5, ", you")
        await watcher.has("a1", "Hello, you")
        await self.nodes[0].kill()
        self.nodes[0] = self.node(0)
        await self.serving(0)
        started = await self.done(0, "ai.start", TOPIC, options)
        length = started["length"]["0"]
        self.assertIn(length, (5, 10))
        await self.append(0, "a1", length, ", you there"[length - 5 :])
        await watcher.has("a1", "Hello, you there")
        late = await self.watch(1)
        await late.has("a1", "Hello, you there")
        await self.done(0, "ai.end", "a1", 1)
        await watcher.until("a1")
        self.assertEqual(len(watcher.ends["a1"]), 1)
