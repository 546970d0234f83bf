"""
The commands of C{aerostack-rt} except C{tail} and C{detach}, with a running daemon.
"""

from __future__ import annotations

import json
import time
from typing import Any

from aerostack.testing import SECRET_KEY, TOKEN_SECRET
from tests.live.clients import makeToken
from tests.live.commands import CommandTests, Terminal
from tests.live.daemon import gather
from tests.live.program import CLI
from tests.live.wire import Refused


class ConversingTests(CommandTests):
    """
    Tests for the commands that read and publish.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        await self.serve(
            self.configure(
                more=f"""anonymous = true
                [projects.p.jwt]
                algorithm = "HS256"
                key = "{TOKEN_SECRET}"
                [topics."state/*"]
                keyed = true
                """
            )
        )

    async def carryOut(self, *arguments: str, stdin: str | None = None, **environ: str) -> Any:
        """
        Run a command to its end, in a pipe.

        @return: Its exit status, its lines, decoded, and its messages.
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

        @return: Its output.
        """
        terminal = Terminal()
        command = ["-c", CLI, *arguments, "--config", str(self.config)]
        terminal.spawn(self.reactor, command)
        self.addCleanup(terminal.kill)
        self.assertEqual(await terminal.ended, 0, terminal.text)
        return terminal.text.splitlines()

    async def test_emit(self) -> None:
        """
        C{emit} sends an event like a server, with the configuration's secret key.
        """
        wire = await self.subscribed("chat/a")
        status, lines, _ = await self.carryOut("emit", "chat/a", "e", '{"n": 1}', "--user", "bot")
        self.assertEqual((status, lines), (0, [{"success": True}]))
        frame = await wire.frame()
        self.assertEqual((frame["data"], frame["userId"]), ({"n": 1}, "bot"))
        said = await self.shown("emit", "chat/a", "e", "hi there", "--text", "--persist")
        self.assertRegex(said[0], "^sent e on chat/a, kept as [0-9a-f]+$")
        self.assertEqual((await wire.frame())["data"], "hi there")

    async def test_types(self) -> None:
        """
        C{types} writes the rows of the database as TypeScript.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        child = self.command("types", "--ts", "--config", str(self.config))
        self.assertEqual(await child.ended, 0, child.errors)
        self.assertEqual(
            child.output.split("\n\n")[1],
            "export interface Tables {\n"
            "  orders: {\n    id: number;\n    status: string | null;\n  };\n}\n",
        )
        child = self.command("types", "--ts", "-o", "/", "--config", str(self.config))
        self.assertEqual(await child.ended, 1)
        self.assertIn("/ cannot be written: Is a directory", child.errors)

    async def test_stateKey(self) -> None:
        """
        C{emit} and C{publish} set the value of a key of a keyed topic.
        """
        wire = await self.subscribed("state/a")
        for command, key in (("emit", "x"), ("publish", "y")):
            arguments = (command, "state/a", "set", "1", "--state-key", key)
            status, _, _ = await self.carryOut(*arguments)
            self.assertEqual(status, 0)
            frame = await wire.frame()
            self.assertEqual((frame["key"], frame["data"]), (key, 1))

    async def test_emitLines(self) -> None:
        """
        C{emit} sends an event for each line of a pipe.
        """
        wire = await self.subscribed("ai/a")
        tokens = [f"token {n}" for n in range(20)]
        status, lines, _ = await self.carryOut(
            *("emit", "ai/a", "ai:token", "-", "--text"), stdin="\n".join(tokens)
        )
        self.assertEqual((status, len(lines)), (0, 20))
        self.assertEqual([frame["data"] for frame in await wire.frames(20)], tokens)

    async def test_emitStream(self) -> None:
        """
        C{emit --stream} sends what a program prints as a token stream.  Where the input is no text
        any more, the stream ends as failed, with the text before.
        """
        wire = await self.subscribed("ai/a")
        command = ("emit", "--stream", "ai/a", "--user", "bot")
        status, lines, errors = await self.carryOut(*command, stdin="Once upon 😀 a time")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual([(each["state"], each["kept"]) for each in lines], [("done", True)])
        text = ""
        while (frame := await wire.frame())["event"] != "ai:done":
            text += frame["data"].get("token", "")
        self.assertEqual((text, frame["state"]), ("Once upon 😀 a time", "done"))
        child = self.command(*command, "--config", str(self.config))
        child.transport.write(b"caf\xe9 au lait")
        child.transport.closeStdin()
        self.assertEqual(await child.ended, 1)
        self.assertIn("not UTF-8", child.errors)
        text = ""
        while (frame := await wire.frame())["event"] != "ai:done":
            text += frame["data"].get("token", "")
        self.assertEqual((text, frame["state"]), ("caf", "failed"))
        self.assertIn("not UTF-8", frame["data"]["reason"])
        for arguments in (("emit", "ai/a"), ("emit", "--stream", "ai/a", "e")):
            status, _, errors = await self.carryOut(*arguments, stdin="")
            self.assertEqual(status, 1)
            self.assertIn("EVENT", errors)

    async def test_publish(self) -> None:
        """
        C{publish} sends an event like a user, and waits for the acknowledgement.
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
        C{publish} sends an event for each line as it arrives, and stays connected between lines.
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
        A refusal is reported with what to do, and the status is 1.
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
        C{history} shows kept messages, oldest first.
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
        C{presence} shows the members, and with C{-f} those who join and leave.
        """
        self.assertEqual(
            await self.shown("presence", "doc/1"), ["aerostack-rt: no user is present on doc/1"]
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
        C{token} creates a token that the daemon accepts.
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

    async def test_disconnect(self) -> None:
        """
        C{disconnect} closes the user's connections; with C{--revoke} the daemon refuses the
        user's tokens, too.
        """
        token = makeToken("ann", iat=int(time.time()) - 10)
        protocols = {"Sec-WebSocket-Protocol": f"aerostack-token.{token}, aerostack-v1"}
        for options, code in (((), 4010), (("--revoke", "--for", "12h"), 4001)):
            wire = await self.wire()
            await wire.upgrade("/api/realtime?projectId=p", protocols)
            status, (answer,), errors = await self.carryOut(
                "disconnect", "ann", "--reason", "spam", *options
            )
            self.assertEqual((status, answer["connections"], errors), (0, 1, ""))
            await wire.lost
            self.assertEqual(wire.closeCode, code)
        wire = await self.wire()
        refused = await self.assertFailure(
            wire.upgrade("/api/realtime?projectId=p", protocols), Refused
        )
        self.assertEqual(refused.body["error"], "token_revoked")
        self.assertEqual(await self.shown("disconnect", "ann"), ["closed 0 connections of ann"])
        (line,) = await self.shown("disconnect", "bob", "--revoke")
        self.assertRegex(line, r"^closed 0 connections of bob; tokens from before are refused un")
        status, lines, errors = await self.carryOut("disconnect", "ann", "--reason", "x" * 200)
        self.assertEqual((status, lines), (1, []))
        self.assertIn("at most 123 bytes", errors)

    async def test_status(self) -> None:
        """
        C{status} says whether the daemon works.
        """

        async def works() -> bool:
            status, lines, _ = await self.carryOut("status")
            return bool((status, lines[0]["status"]) == (0, "ok"))

        # On a slow disk something fails for a while.
        await self.until(works)
        self.assertRegex(
            (await self.shown("status"))[0], rf"^daemon at ws://127.0.0.1:{self.port} +ok$"
        )

    async def test_why(self) -> None:
        """
        C{why} shows why frames do not arrive, the verdict first.
        """
        await self.subscribed("chat/a")
        status, lines, _ = await self.carryOut("why", "ben", "chat/a")
        verdict = {"topic": "chat/a/p", "user": "ben", "verdict": "ben has no connection now."}
        self.assertEqual((status, lines[0]), (0, verdict))
        codes = ["not_connected", "nothing_published"]
        self.assertEqual([line["code"] for line in lines[1:]], codes)
        shown = await self.shown("why", "ben", "chat/a")
        self.assertEqual(shown[0], "ben has no connection now.")
        self.assertRegex(shown[1], "^  notice  ")

    async def test_console(self) -> None:
        """
        C{console} prints the console's address, with the key.
        """
        child = self.command("console", "--config", str(self.config))
        self.assertEqual(await child.ended, 0)
        self.assertRegex(
            child.output, rf"^http://127\.0\.0\.1:{self.port}/console/#key={SECRET_KEY}\n$"
        )

    async def test_reader(self) -> None:
        """
        A command whose output is no longer read ends quietly.
        """
        await self.carryOut("emit", "chat/a", "e", "-", "--persist", stdin="1\n" * 50)
        child = self.command("history", "chat/a", "--config", str(self.config), PYTHONUNBUFFERED="")
        child.transport.closeChildFD(1)
        self.assertEqual((await child.ended, child.errors), (0, ""))


class NobodyTests(CommandTests):
    """
    Tests for commands without a running daemon.
    """

    async def test_nobody(self) -> None:
        """
        Every command reports that at once, asks whether the daemon runs, and has the status 1.
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


class VersionTests(CommandTests):
    """
    Tests for the command line itself.
    """

    async def test_misuse(self) -> None:
        """
        Wrong arguments are reported in one line, and the status is 2.
        """
        for arguments, text in (
            ((), "the following arguments are required: COMMAND; see aerostack-rt --help"),
            (
                ("tail",),
                "the following arguments are required: TOPIC; see aerostack-rt tail --help",
            ),
        ):
            child = self.command(*arguments)
            self.assertEqual(await child.ended, 2)
            self.assertEqual(child.errors, f"aerostack-rt: {text}\n")
