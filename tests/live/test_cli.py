"""
The command line against a running daemon.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from aerostack.cli.options import CONFIGS
from aerostack.testing import SECRET_KEY
from tests.live.program import CLI, ProgramTests
from tests.net import ROOT, Child


class CommandTests(ProgramTests):
    """
    Runs C{aerostack-rt} as a process.
    """

    def command(self, *arguments: str, **environ: str) -> Child:
        """
        Start a command, in a pipe.
        """
        child = Child.spawn(self.reactor, ["-c", CLI, *arguments], environ)
        self.addCleanup(child.kill)
        return child

    async def said(self, child: Child, text: str) -> None:
        """
        Wait until a command has said something to the person in front of it.
        """
        await self.until(lambda: text in child.errors or child.ended.called)
        self.assertIn(text, child.errors)

    def emit(self, data: Any) -> Deferred[Any]:
        """
        Emit an event on C{chat/a}, as a server does.
        """
        call = {"method": "socket.emit", "args": ["e", data, "chat/a"]}
        return Deferred.fromCoroutine(
            self.http(
                "POST",
                "/internal/hooks/rpc",
                json.dumps(call).encode(),
                Authorization=f"Bearer {SECRET_KEY}",
            )
        )


class TailTests(CommandTests):
    """
    Tests for C{aerostack-rt tail}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config.write_text(self.configure())

    def tail(self, *arguments: str, **environ: str) -> Child:
        """
        Start following.
        """
        return self.command("tail", *arguments, "--config", str(self.config), **environ)

    async def test_lines(self) -> None:
        """
        In a pipe every frame is one line of JSON, and C{-n} ends after so many.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await self.serve()
        tail = self.tail("orders", "chat/a", "-n", "3")
        await self.said(tail, "watching table/orders/p")
        await self.said(tail, "watching chat/a/p")
        self.execute("INSERT INTO orders VALUES (1)")
        await tail.wrote("db_change")
        for data in ("é\n", {"n": 2}, 3):
            await self.emit(data)
        self.assertEqual(await tail.ended, 0)
        frames = [json.loads(line) for line in tail.output.splitlines()]
        self.assertEqual([frame["data"] for frame in frames], [{"id": 1}, "é\n", {"n": 2}])
        self.assertEqual(frames[0]["topic"], "table/orders/p")

    async def test_unknownTable(self) -> None:
        """
        A table that is not there is named, where the lines are not.
        """
        await self.serve()
        tail = self.tail("nothing")
        await self.said(tail, "[unknown_table]")
        self.assertIn("table/nothing/p", tail.errors)
        self.assertEqual(tail.output, "")

    async def test_refused(self) -> None:
        """
        A key that is refused ends it, with the daemon's reason.
        """
        await self.serve()
        tail = self.tail("orders", AEROSTACK_KEY="pk_wrong_wrong_wrong")
        self.assertEqual(await tail.ended, 1)
        self.assertIn("refused: That API key is not one of this daemon's. [401]", tail.errors)
        self.assertNotIn("pk_wrong", tail.errors)

    async def test_restart(self) -> None:
        """
        When the daemon has restarted it comes back by itself and goes on.
        """
        daemon = await self.serve()
        tail = self.tail("chat/a", "-n", "2")
        await self.said(tail, "watching")
        await self.emit("before")
        await tail.wrote("before")
        daemon.signal("TERM")
        await daemon.ended
        await self.said(tail, "coming back")
        await self.serve()
        await self.until(lambda: tail.errors.count("watching") == 2)
        await self.emit("after")
        self.assertEqual(await tail.ended, 0)
        self.assertEqual([json.loads(x)["data"] for x in tail.output.splitlines()][1:], ["after"])

    async def test_notThere(self) -> None:
        """
        A daemon that is not there yet is waited for, and this is said.
        """
        tail = self.tail("chat/a")
        await self.said(tail, "trying again")
        self.assertIn("refused", tail.errors)
        await self.serve()
        await self.said(tail, "watching chat/a/p")

    async def test_brokenPipe(self) -> None:
        """
        When nobody reads its lines any more it ends quietly.
        """
        await self.serve()
        tail = self.tail("chat/a", PYTHONUNBUFFERED="")
        await self.said(tail, "watching")
        before = tail.errors
        tail.transport.closeChildFD(1)
        await self.emit("unread")
        self.assertEqual((await tail.ended, tail.errors), (0, before))

    async def test_unix(self) -> None:
        """
        A daemon on a Unix socket is found too.
        """
        await self.serve(self.configure(f"unix:{self.directory}/rt.sock"))
        await self.said(self.tail("chat/a"), "watching chat/a/p")

    async def test_terminal(self) -> None:
        """
        On a terminal the lines are for people, or as in a pipe where this is asked for.
        """
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)",
            "INSERT INTO orders VALUES (1, 'new')",
        )
        await self.serve()
        pretty = await self.shown("UPDATE orders SET status = 'sent'")
        self.assertRegex(
            pretty, r'^\d\d:\d\d:\d\d\.\d{3} UPDATE orders {id: 1, status: "new" → "sent"}$'
        )
        line = await self.shown("UPDATE orders SET status = 'new'", "--json")
        self.assertEqual(json.loads(line)["old"], {"id": 1, "status": "sent"})

    async def shown(self, statement: str, *options: str) -> str:
        """
        Follow C{orders} on a terminal, and run a statement.

        @return: The last line.
        """
        terminal = Terminal()
        command = ["tail", "orders", "-n", "1", *options, "--config", str(self.config)]
        terminal.spawn(self.reactor, ["-c", CLI, *command])
        self.addCleanup(terminal.kill)
        await self.until(lambda: "watching table/orders/p" in terminal.text)
        self.execute(statement)
        self.assertEqual(await terminal.ended, 0)
        return terminal.text.splitlines()[-1]

    async def test_noConfiguration(self) -> None:
        """
        Where there is no configuration, it says what to give.
        """
        missing = [str(path) for path in CONFIGS if path.exists()]
        self.assertEqual(missing, [], "a configuration of the machine's is in the way")
        tail = self.command("tail", "orders")
        self.assertEqual(await tail.ended, 1)
        self.assertIn("give --config, or --url and --key", tail.errors)


class DetachTests(CommandTests):
    """
    Tests for C{aerostack-rt detach}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config.write_text(self.configure())
        self.execute("PRAGMA journal_mode = WAL", "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        self.before = self.schema()

    def schema(self) -> list[tuple[str, str, str]]:
        """
        All that is in the database.
        """
        return self.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")

    async def detach(self, *options: str) -> tuple[int, str, str]:
        """
        Run the command.
        """
        child = self.command("detach", "--config", str(self.config), *options)
        return await child.ended, child.output, child.errors

    async def use(self) -> Child:
        """
        Have the daemon put everything into the database that it ever does.
        """
        daemon = await self.serve()
        wire = await self.subscribed("orders")
        self.execute("INSERT INTO orders DEFAULT VALUES")
        await wire.frame()
        publish = {"type": "publish", "topic": "chat/a", "event": "e", "persist": True}
        wire.tell({**publish, "data": "kept", "id": "1"})
        self.assertEqual(await wire.frame(), {"type": "ack", "id": "1"})
        return daemon

    async def stopped(self) -> None:
        """
        Have the daemon used, and stop it.
        """
        daemon = await self.use()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        self.assertNotEqual(self.schema(), self.before)

    async def test_everything(self) -> None:
        """
        Nothing of the daemon's is left, everything of the user's is.
        """
        await self.stopped()
        status, output, errors = await self.detach()
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("removed realtime_messages", output)
        self.assertEqual(self.schema(), self.before)
        self.assertEqual(self.execute("SELECT * FROM orders"), [(1,)])
        self.assertEqual(self.execute("PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(await self.detach(), (0, "Nothing to remove.\n", ""))

    async def test_keepHistory(self) -> None:
        """
        With C{--keep-history} the messages stay, and the next start finds them.
        """
        await self.stopped()
        self.assertEqual((await self.detach("--keep-history"))[0], 0)
        names = {name for _, name, _ in self.schema()}
        self.assertFalse([name for name in names if name.startswith("_aerostack")])
        self.assertEqual(self.execute("SELECT data FROM realtime_messages"), [('"kept"',)])
        await self.use()
        self.assertEqual(self.execute("SELECT count(*) FROM realtime_messages"), [(2,)])

    async def test_running(self) -> None:
        """
        While the daemon runs it does nothing, and says why; unless it is forced.
        """
        await self.use()
        before = self.schema()
        status, output, errors = await self.detach()
        self.assertEqual((status, output), (1, ""))
        self.assertIn("the daemon seems to be running", errors)
        self.assertEqual(self.schema(), before)
        self.assertEqual((await self.detach("--force"))[0], 0)

    async def test_runningOnUnix(self) -> None:
        """
        A daemon on a Unix socket is noticed, and one that died there is not.
        """
        self.config.write_text(self.configure(f"unix:{self.directory}/rt.sock"))
        daemon = await self.serve()
        self.assertEqual((await self.detach())[0], 1)
        daemon.signal("KILL")
        await daemon.ended
        self.assertEqual((await self.detach())[0], 0)
        self.assertEqual(self.schema(), self.before)

    async def test_held(self) -> None:
        """
        A database that another program holds is left as it is, and named.
        """
        await self.stopped()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            status, _, errors = await self.detach()
        self.assertEqual(status, 1)
        self.assertIn(f"{self.path}: database is locked", errors)

    async def test_noDatabase(self) -> None:
        """
        Where there is no database, none is made.
        """
        self.path.unlink()
        status, _, errors = await self.detach()
        self.assertEqual(status, 1)
        self.assertIn(f"there is no database at {self.path}", errors)
        self.assertFalse(self.path.exists())


class VersionTests(CommandTests):
    """
    Tests for the command line itself.
    """

    async def test_misuse(self) -> None:
        """
        Without a command the usage is shown, and the status is 2.
        """
        child = self.command()
        self.assertEqual(await child.ended, 2)
        self.assertIn("usage: aerostack-rt", child.errors)


class Terminal(ProcessProtocol):
    """
    A Python process that believes to be on a terminal.

    @ivar text: What it showed, with line feeds alone.
    """

    def __init__(self) -> None:
        self.text = ""
        self.ended: Deferred[int] = Deferred()

    def spawn(self, reactor: Any, arguments: list[str]) -> None:
        """
        Start it.
        """
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        command = [sys.executable, *arguments]
        reactor.spawnProcess(self, sys.executable, command, environ, usePTY=True)

    def outReceived(self, data: bytes) -> None:
        self.text += data.decode().replace("\r\n", "\n")

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(0 if reason.check(ProcessDone) else reason.value.exitCode)

    async def kill(self) -> None:
        """
        Make sure that it is gone.
        """
        if not self.ended.called:
            self.transport.signalProcess("KILL")
            await self.ended
