"""
Three daemons share token streams, and two of them are killed.
"""

from __future__ import annotations

from typing import Any

from tests.live.lostnodes import OTHER, TOPIC, LostNodesTests, Texts


class TwoLostTests(LostNodesTests):
    """
    Tests in which the daemon of a stream is killed, and then the one that has taken it over.
    """

    count = 3

    async def test_killed(self) -> None:
        """
        Each stream ends once at the third daemon: one that the database has, one that it has not,
        and one whose only watcher comes to that daemon from another one that was killed.
        """
        await self.begin()
        watchers = {number: await self.watch(number) for number in (1, 2)}
        await self.done(0, "ai.start", TOPIC, {"stream": "kept", "lease": 10_000})
        await self.append(0, "kept", 0, "kept")
        await self.checkpointed("kept")
        for number, topic in ((0, TOPIC), (1, OTHER)):
            unkept = {"stream": f"unkept{number}", "persist": False, "lease": 600_000}
            await self.done(number, "ai.start", topic, unkept)
            await self.append(number, unkept["stream"], 0, "unkept")
        alone, _ = await self.join(1, OTHER)
        while (frame := await alone.frame()).get("event") != "ai:token":
            pass
        for watcher in watchers.values():
            await watcher.has("kept", "kept")
            await watcher.has("unkept0", "unkept")
        # Its lease does not end before the kill.
        await self.done(0, "ai.beat", "kept", 1)
        await self.nodes[0].kill()
        query = "SELECT node FROM _aerostack.answers WHERE name = 'kept'"
        await self.until(lambda: self.postgres.execute(query) != [("n0",)])
        ((adopter,),) = self.postgres.execute(query)
        await self.nodes[int(adopter[1])].kill()
        left = 3 - int(adopter[1])
        if left == 2:
            wire, _ = await self.join(left, OTHER, since=frame["pos"])
            await Texts(wire).until("unkept1")
        await watchers[left].until("kept", "unkept0")
        self.assertEqual(self.shown(watchers[left]), {"kept": ["lease"], "unkept0": ["restart"]})
        await self.kept(left, "kept", "aborted", "kept")
        await self.forgotten()

    def shown(self, watcher: Texts) -> dict[str, list[Any]]:
        """
        The reasons of the ends that a watcher has.
        """
        return {name: [end["reason"] for end in ends] for name, ends in watcher.ends.items()}


class NamesakeTests(LostNodesTests):
    """
    Tests for two daemons that are called alike.
    """

    async def test_refused(self) -> None:
        """
        A daemon ends that is started with the name of another one that runs, and leaves that one
        its streams; the name of one that was killed a moment ago is free.
        """
        await self.begin()
        watcher = await self.watch(0)
        await self.done(0, "ai.start", TOPIC, {"stream": "a1", "producer": "run", "lease": 60_000})
        await self.append(0, "a1", 0, "Hello")
        await self.checkpointed("Hello")
        await self.nodes[1].kill()
        intruder = self.node(1, "n0")
        self.assertEqual(await intruder.ended, 1)
        self.assertIn("another daemon called 'n0' runs on this engine", intruder.output)
        await self.append(0, "a1", 5, ", you")
        self.nodes[1] = self.node(1)
        await self.serving(1)
        await self.done(1, "ai.end", "a1", 1)
        await watcher.until("a1")
        self.assertEqual(watcher.texts, {"a1": "Hello, you"})
        self.assertEqual([end["state"] for end in watcher.ends["a1"]], ["done"])
