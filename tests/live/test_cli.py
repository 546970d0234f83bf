"""
The command line against a running daemon.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from codecs import getincrementaldecoder
from contextlib import closing
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from aerostack.cli.options import CONFIGS
from aerostack.testing import SECRET_KEY, TOKEN_SECRET
from tests.live.clients import makeToken
from tests.live.daemon import gather
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
        self.assertIn("The database has no table 'nothing'.", tail.errors)
        self.assertEqual((await tail.ended, tail.output), (1, ""))
        self.assertIn("there is nothing left to watch", tail.errors)

    async def test_refused(self) -> None:
        """
        A key that is refused ends it, with the daemon's reason.
        """
        await self.serve()
        tail = self.tail("orders", AEROSTACK_KEY="pk_wrong_wrong_wrong")
        self.assertEqual(await tail.ended, 1)
        refusal = "That API key is not one of this daemon's. [unauthorized]; give another --key"
        self.assertIn(refusal, tail.errors)
        self.assertNotIn("pk_wrong", tail.errors)

    async def test_restart(self) -> None:
        """
        When the daemon has restarted it comes back by itself, and shows what it missed.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        config = self.configure(server="restart_time = 0\nreconnect_spread = 0")
        daemon = await self.serve(config)
        tail = self.tail("orders", "-n", "3")
        await self.said(tail, "watching")
        self.execute("INSERT INTO orders VALUES (1)")
        await tail.wrote("db_change")
        daemon.signal("TERM")
        await daemon.ended
        await self.said(tail, "trying again")
        self.execute("INSERT INTO orders VALUES (2)")
        await self.serve()
        await self.said(tail, "watching table/orders/p again, from where it left off")
        self.execute("INSERT INTO orders VALUES (3)")
        self.assertEqual(await tail.ended, 0)
        rows = [json.loads(line)["data"] for line in tail.output.splitlines()]
        self.assertEqual(rows, [{"id": 1}, {"id": 2}, {"id": 3}])

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
        # The whole line: what is said after it is what is looked for.
        await self.said(tail, "watching chat/a/p\n")
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


class ConversingTests(CommandTests):
    """
    Tests for the commands that ask and tell.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        await self.serve(
            self.configure(
                more=f"""anonymous = true
                [projects.p.jwt]
                algorithm = "HS256"
                key = "{TOKEN_SECRET}"
                """
            )
        )

    async def carryOut(self, *arguments: str, stdin: str | None = None, **environ: str) -> Any:
        """
        Run a command to its end, in a pipe.

        @return: Its exit status, its lines, decoded, and what it said.
        """
        child = self.command(*arguments, "--config", str(self.config), **environ)
        if stdin is not None:
            child.transport.write(stdin.encode())
            child.transport.closeStdin()
        status = await child.ended
        return status, [json.loads(line) for line in child.output.splitlines()], child.errors

    async def shown(self, *arguments: str) -> list[str]:
        """
        Run a command on a terminal.

        @return: What it shows.
        """
        terminal = Terminal()
        command = ["-c", CLI, *arguments, "--config", str(self.config)]
        terminal.spawn(self.reactor, command)
        self.addCleanup(terminal.kill)
        self.assertEqual(await terminal.ended, 0, terminal.text)
        return terminal.text.splitlines()

    async def test_emit(self) -> None:
        """
        C{emit} sends an event as a server does, with the configuration's secret key.
        """
        wire = await self.subscribed("chat/a")
        status, lines, _ = await self.carryOut("emit", "chat/a", "e", '{"n": 1}', "--user", "bot")
        self.assertEqual((status, lines), (0, [{"success": True}]))
        frame = await wire.frame()
        self.assertEqual((frame["data"], frame["userId"]), ({"n": 1}, "bot"))
        said = await self.shown("emit", "chat/a", "e", "hi there", "--text", "--persist")
        self.assertRegex(said[0], "^sent e on chat/a, kept as [0-9a-f]+$")
        self.assertEqual((await wire.frame())["data"], "hi there")

    async def test_emitLines(self) -> None:
        """
        Of what comes in a pipe every line is an event.
        """
        wire = await self.subscribed("ai/a")
        tokens = [f"token {n}" for n in range(20)]
        status, lines, _ = await self.carryOut(
            *("emit", "ai/a", "ai:token", "-", "--text"), stdin="\n".join(tokens)
        )
        self.assertEqual((status, len(lines)), (0, 20))
        self.assertEqual([frame["data"] for frame in await wire.frames(20)], tokens)

    async def test_publish(self) -> None:
        """
        C{publish} sends an event as a user does, and waits until it is taken.
        """
        token = makeToken("ann")
        wire = await self.subscribed("chat/a")
        status, lines, _ = await self.carryOut("publish", "chat/a", "e", "1", AEROSTACK_TOKEN=token)
        self.assertEqual((status, lines), (0, [{"published": "e", "topic": "chat/a"}]))
        frame = await wire.frame()
        self.assertEqual((frame["data"], frame["userId"]), (1, "ann"))
        self.assertEqual(
            await self.shown("publish", "chat/a", "e", "2", "--persist"), ["published e on chat/a"]
        )

    async def test_publishLines(self) -> None:
        """
        C{publish} sends an event for each line as it comes, and stays connected while there is
        none.
        """
        wire = await self.subscribed("chat/a")
        child = self.command("publish", "chat/a", "e", "-", "--config", str(self.config))
        for number in range(3):
            child.transport.write(b"%d\n" % number)
            self.assertEqual((await wire.frame())["data"], number)
        child.transport.closeStdin()
        self.assertEqual(await child.ended, 0)

    async def test_refused(self) -> None:
        """
        What is refused is said, with what to do, and the status is 1.
        """
        cases = {
            ("publish", "orders", "e", "1"): "Only a server with the secret key",
            ("publish", "chat/a", "presence:join", "1"): "are the daemon's own. [invalid_event]",
            ("publish", "chat/a", "e", "hello"): "DATA is no JSON",
            ("publish", "chat/a", "e", "[" * 50_000): "nested too deeply",
            ("publish", "", "e", "1"): "a topic is text",
            ("presence", ""): "a topic is text",
            ("emit", "chat/;", "e", "1"): "[invalid_topic]",
            ("emit", "chat/a", "e", "1", "--key", "pk_wrong_wrong_wr"): "give another --key",
            ("history", "chat/;"): "[invalid_topic]",
            ("presence", "nothing"): "[unknown_table]",
            ("presence", "chat/a", "--token", "a.b.c"): "give another --token",
        }
        ended = await gather(*(self.carryOut(*arguments) for arguments in cases))
        for (status, lines, errors), text in zip(ended, cases.values(), strict=True):
            self.assertEqual((status, lines), (1, []), errors)
            self.assertIn(text, errors)
            self.assertEqual(errors.count("\n"), 1, errors)

    async def test_history(self) -> None:
        """
        C{history} shows what was kept, as it happened.
        """
        self.assertEqual(
            await self.shown("history", "chat/a"), ["aerostack-rt: nothing was kept of chat/a"]
        )
        await self.carryOut(
            *("emit", "chat/a", "e", "-", "--persist", "--user", "ann"), stdin="1\n2\n3\n"
        )
        status, lines, _ = await self.carryOut("history", "chat/a", "-n", "2")
        self.assertEqual((status, [line["data"] for line in lines]), (0, [2, 3]))
        before = str(lines[0]["created_at"])
        status, lines, _ = await self.carryOut("history", "chat/a", "--before", before)
        self.assertEqual([line["data"] for line in lines], [1])
        self.assertRegex(
            (await self.shown("history", "chat/a"))[-1],
            r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} e ann: 3$",
        )

    async def test_presence(self) -> None:
        """
        C{presence} shows who is there, and with C{-f} who comes and goes.
        """
        self.assertEqual(
            await self.shown("presence", "doc/1"), ["aerostack-rt: nobody is present on doc/1"]
        )
        wire = await self.client()
        wire.tell({"type": "track", "topic": "doc/1", "state": {"n": 1}})
        await wire.barrier()
        status, lines, _ = await self.carryOut("presence", "doc/1")
        self.assertEqual((status, [line["state"] for line in lines]), (0, [{"n": 1}]))
        (line,) = await self.shown("presence", "doc/1")
        self.assertRegex(line, r'^somebody \(c\S+\) {"n": 1} since \d\d:')
        follow = self.command("presence", "doc/1", "-f", "--config", str(self.config))
        await follow.wrote('{"n": 1}')
        wire.tell({"type": "track", "topic": "doc/1", "state": {"n": 2}})
        await follow.wrote("presence:update")
        await wire.closeCleanly()
        await follow.wrote("presence:leave")

    async def test_token(self) -> None:
        """
        C{token} makes one that the daemon takes.
        """
        child = self.command(
            *("token", "ann", "--subscribe", "chat/*", "--config", str(self.config))
        )
        self.assertEqual((await child.ended, child.errors), (0, ""))
        token = child.output.strip()
        wire = await self.wire()
        await wire.upgrade(
            "/api/realtime", {"Sec-WebSocket-Protocol": f"aerostack-token.{token}, aerostack-v1"}
        )
        wire.tell({"type": "subscribe", "topic": "chat/a"})
        self.assertEqual((await wire.frame())["type"], "subscribed")
        wire.tell({"type": "publish", "topic": "chat/a", "event": "e"})
        self.assertEqual((await wire.frame())["code"], "forbidden")

    async def test_status(self) -> None:
        """
        C{status} says whether the daemon does its work.
        """
        status, lines, _ = await self.carryOut("status")
        self.assertEqual((status, lines[0]["status"]), (0, "ok"))
        self.assertRegex(
            (await self.shown("status"))[0], rf"^daemon at ws://127.0.0.1:{self.port} +ok$"
        )

    async def test_why(self) -> None:
        """
        C{why} says why something did not arrive, the verdict first.
        """
        await self.subscribed("chat/a")
        status, lines, _ = await self.carryOut("why", "ben", "chat/a")
        verdict = {"topic": "chat/a/p", "user": "ben", "verdict": "ben has no connection now."}
        self.assertEqual((status, lines[0]), (0, verdict))
        codes = ["not_connected", "nothing_published"]
        self.assertEqual([line["code"] for line in lines[1:]], codes)
        shown = await self.shown("why", "ben", "chat/a")
        self.assertEqual(shown[0], "ben has no connection now.")
        self.assertRegex(shown[1], "^  problem  ben has no connection now.$")

    async def test_console(self) -> None:
        """
        C{console} writes the console's address, with the key.
        """
        child = self.command("console", "--config", str(self.config))
        self.assertEqual(await child.ended, 0)
        self.assertRegex(
            child.output, rf"^http://127\.0\.0\.1:{self.port}/console/#key={SECRET_KEY}\n$"
        )

    async def test_reader(self) -> None:
        """
        One whose lines nobody reads any more ends quietly.
        """
        await self.carryOut("emit", "chat/a", "e", "-", "--persist", stdin="1\n" * 50)
        child = self.command("history", "chat/a", "--config", str(self.config), PYTHONUNBUFFERED="")
        child.transport.closeChildFD(1)
        self.assertEqual((await child.ended, child.errors), (0, ""))


class NobodyTests(CommandTests):
    """
    Tests for commands where no daemon runs.
    """

    async def test_nobody(self) -> None:
        """
        Every command says so at once, asks whether it runs, and its status is 1.
        """
        self.config.write_text(self.configure())
        children = [
            self.command(*arguments, "--config", str(self.config))
            for arguments in (
                ("emit", "chat/a", "e", "1"),
                ("publish", "chat/a", "e", "1"),
                ("presence", "chat/a"),
                ("history", "chat/a"),
                ("status",),
            )
        ]
        for child in children:
            self.assertEqual((await child.ended, child.output), (1, ""), child.errors)
            self.assertRegex(
                child.errors,
                "^aerostack-rt: No server can be reached at ws://.*is the daemon",
            )


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
    """

    def __init__(self) -> None:
        self._shown = b""
        self.ended: Deferred[int] = Deferred()

    def spawn(self, reactor: Any, arguments: list[str]) -> None:
        """
        Start it.
        """
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        command = [sys.executable, *arguments]
        reactor.spawnProcess(self, sys.executable, command, environ, usePTY=True)

    def outReceived(self, data: bytes) -> None:
        self._shown += data

    @property
    def text(self) -> str:
        """What it showed, with line feeds alone."""
        # The last character may not be there as a whole yet.
        return getincrementaldecoder("utf-8")().decode(self._shown).replace("\r\n", "\n")

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(0 if reason.check(ProcessDone) else reason.value.exitCode)

    async def kill(self) -> None:
        """
        Make sure that it is gone.
        """
        if not self.ended.called:
            self.transport.signalProcess("KILL")
            await self.ended
