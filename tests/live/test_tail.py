"""
C{tail} with a running daemon.
"""

from __future__ import annotations

import json

from aerostack.cli.options import CONFIGS
from tests.live.commands import CommandTests, Terminal
from tests.live.program import CLI
from tests.net import Child, socketPath


class TailTests(CommandTests):
    """
    Tests for C{aerostack-rt tail}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config.write_text(self.configure())

    def tail(self, *arguments: str, **environ: str) -> Child:
        """
        Start the command.
        """
        return self.command("tail", *arguments, "--config", str(self.config), **environ)

    async def test_lines(self) -> None:
        """
        In a pipe every frame is one line of JSON, and C{-n} ends the command after a number of
        frames.
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
        A table that does not exist is named on the standard error.
        """
        await self.serve()
        tail = self.tail("nothing")
        await self.said(tail, "[unknown_table]")
        self.assertIn("The database has no table 'nothing'.", tail.errors)
        self.assertEqual((await tail.ended, tail.output), (1, ""))
        self.assertIn("there is nothing left to watch", tail.errors)

    async def test_refused(self) -> None:
        """
        A refused key ends the command, with the daemon's reason.
        """
        await self.serve()
        tail = self.tail("orders", AEROSTACK_KEY="pk_wrong_wrong_wrong")
        self.assertEqual(await tail.ended, 1)
        refusal = "That API key is not one of this daemon's. [unauthorized]; give another --key"
        self.assertIn(refusal, tail.errors)
        self.assertNotIn("pk_wrong", tail.errors)

    async def test_restart(self) -> None:
        """
        After a restart of the daemon the command reconnects by itself, and shows what it missed.
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
        The command waits for a daemon that does not run yet, and says so.
        """
        tail = self.tail("chat/a")
        await self.said(tail, "trying again")
        self.assertIn("refused", tail.errors)
        await self.serve()
        await self.said(tail, "watching chat/a/p")

    async def test_brokenPipe(self) -> None:
        """
        The command ends quietly when its output is no longer read.
        """
        await self.serve()
        tail = self.tail("chat/a", PYTHONUNBUFFERED="")
        # The whole line, because the test looks for the message after it.
        await self.said(tail, "watching chat/a/p\n")
        before = tail.errors
        tail.transport.closeChildFD(1)
        await self.emit("unread")
        self.assertEqual((await tail.ended, tail.errors), (0, before))

    async def test_interrupted(self) -> None:
        """
        A signal ends the command quietly.
        """
        await self.serve()
        for name in ("INT", "TERM"):
            tail = self.tail("chat/a")
            # The whole line, because the test looks for what comes after it.
            await self.said(tail, "watching chat/a/p\n")
            before = tail.errors
            tail.signal(name)
            await tail.ended
            self.assertEqual((tail.errors, tail.output), (before, ""))

    async def test_unix(self) -> None:
        """
        The command finds a daemon on a Unix socket.
        """
        path = socketPath()
        await self.serve(self.configure(f"unix:{path}"))
        await self.said(self.tail("chat/a"), "watching chat/a/p")

    async def test_terminal(self) -> None:
        """
        On a terminal the lines are for people, or with C{--json} as in a pipe.
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
        Watch C{orders} on a terminal, and run a statement.

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
        Without a configuration the command says which options to give.
        """
        missing = [str(path) for path in CONFIGS if path.exists()]
        self.assertEqual(missing, [], "a configuration of the machine's is in the way")
        tail = self.command("tail", "orders")
        self.assertEqual(await tail.ended, 1)
        self.assertIn("give --config, or --url and --key", tail.errors)
