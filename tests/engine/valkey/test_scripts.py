"""
Tests of L{aerostack.engine.valkey.scripts}, against a real server.
"""

from __future__ import annotations

from twisted.internet.defer import gatherResults
from twisted.trial.unittest import TestCase

from aerostack.engine.valkey.errors import Backlogged, NotConnected, ReplyError, Unanswered
from aerostack.engine.valkey.scripts import ScriptRunner, Scripts
from tests.engine.valkey.lines import openConnection
from tests.engine.valkey.server import sharedServer

PUSH = "return redis.call('RPUSH', KEYS[1], ARGV[1])"
OTHER = "return redis.call('RPUSH', KEYS[1], 'other ' .. ARGV[1])"
SOURCES = {"push": PUSH, "other": OTHER}


class ScriptTests(TestCase):
    """
    Scripts on a real server.
    """

    def setUp(self) -> None:
        self.server = sharedServer(self)

    async def open(self, run: str = "a", bound: int = 100_000) -> ScriptRunner:
        """
        Connect, and load the scripts.
        """
        self.connection, _ = await openConnection(self, self.server)
        runner = ScriptRunner(self.connection, Scripts(SOURCES, run), bound)
        await runner.load()
        return runner

    async def test_runs(self) -> None:
        """
        A script that was loaded runs with its keys and arguments; the call fails with its error.
        """
        runner = await self.open()
        self.assertEqual(await runner.run("push", [b"k"], [b"5"]), 1)
        self.assertEqual(self.server.execute("LRANGE", "k", 0, -1), [b"5"])
        self.server.execute("SET", "s", "v")
        error = await self.assertFailure(runner.run("push", [b"s"], [1]), ReplyError)
        self.assertEqual(error.code, "WRONGTYPE")

    async def test_forgotten(self) -> None:
        """
        When the server forgets the scripts between two calls of a pipeline, no later call overtakes
        an earlier one, also not the calls that come while the scripts are loaded again (trap 15).
        """
        runner = await self.open()
        # Another daemon loads the same scripts, at the worst moment.
        other = Scripts(SOURCES, "b")
        calls = [runner.run("push", [b"k"], [0])]
        self.connection.command("SCRIPT", "FLUSH")
        calls.append(runner.run("push", [b"k"], [1]))
        for source in other.sources:
            self.connection.command("SCRIPT", "LOAD", source)
        calls.append(runner.run("other", [b"k"], [2]))
        calls.append(runner.run("push", [b"k"], [3]))

        def more(error: object) -> None:
            calls.extend(runner.run("push", [b"k"], [number]) for number in (4, 5))

        # This answer comes when the first call has failed, and before the others have.
        self.connection._waiting[2].deferred.addBoth(lambda result: more(result) or result)
        await calls[0]
        while len(calls) < 6:
            await self.connection.command("PING")
        await gatherResults(calls)
        expected = [b"0", b"1", b"other 2", b"3", b"4", b"5"]
        self.assertEqual(self.server.execute("LRANGE", "k", 0, -1), expected)

    async def test_refused(self) -> None:
        """
        When the server refuses to load a script again, the calls fail.
        """
        self.server.addUser("ann", "secret", "~*", "&*", "+@all")
        self.connection, _ = await openConnection(self, self.server, 99_999, "ann", "secret")
        runner = ScriptRunner(self.connection, Scripts(SOURCES, "a"))
        await runner.load()
        self.server.execute("ACL", "SETUSER", "ann", "-script")
        error = await self.assertFailure(runner.load(), ReplyError)
        self.assertEqual(error.code, "NOPERM")
        self.server.execute("SCRIPT", "FLUSH")
        error = await self.assertFailure(runner.run("push", [b"k"], [1]), ReplyError)
        self.assertEqual(error.code, "NOPERM")

    async def test_bounded(self) -> None:
        """
        The calls that wait while the scripts are loaded are bounded, and fail when the connection
        is lost.
        """
        runner = await self.open(bound=1000)
        self.server.execute("SCRIPT", "FLUSH")
        failed, sent = (runner.run("push", [b"k"], [number]) for number in range(2))
        # The second call is still at the server when the first one has failed.
        await self.connection._waiting[0].deferred
        held = runner.run("push", [b"k"], [b"x" * 500])
        await self.assertFailure(runner.run("push", [b"k"], [b"x" * 500]), Backlogged)
        self.connection.close("Enough.")
        await self.assertFailure(sent, Unanswered)
        for call in (failed, held):
            await self.assertFailure(call, NotConnected)
