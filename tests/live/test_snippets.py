"""
The examples in the documentation, run.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue

from aerostack.client import calls
from aerostack.client.realtime import RealtimeClient
from aerostack.testing import SECRET_KEY, TOKEN_SECRET
from tests import PATIENCE
from tests.live.clients import makeToken
from tests.live.daemon import gather
from tests.live.program import CLI, ProgramTests
from tests.net import ROOT
from tests.web import Workshop, run

ELSEWHERE = re.compile(r"/(etc|usr)/|example\.com|AEROSTACK_KEY=|rt (init|detach)")
"""The commands of C{docs/cli.rst} that the test does not run: they are about other machines or
change this one, or they take away what the other commands need."""


class FastAPI:
    """
    What the example of FastAPI uses of it.
    """

    def __init__(self, lifespan: Any) -> None:
        self.lifespan = lifespan

    def post(self, path: str) -> Any:
        """
        Let a function answer a path.
        """
        return lambda function: function


FASTAPI: Any = SimpleNamespace(FastAPI=FastAPI, HTTPException=RuntimeError)

WHO = "anonymous:"
"""The prefix of the name of a user without a token."""


def blocks(path: Path, language: str) -> list[str]:
    """
    Return the code blocks of a document.
    """
    pattern = rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    return [dedent(block) for block in re.findall(pattern, path.read_text(), re.M)]


class SnippetTests(ProgramTests):
    """
    Runs examples against a daemon like that of C{make run}.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        (self.directory / "etc").mkdir()
        self.config = self.directory / "etc" / "rt.toml"
        self.path = self.directory / "etc" / "rt.db"
        text = self.configure(
            more=f"""anonymous = true
            default_read = ["anonymous", "key", "token"]
            [projects.local.jwt]
            algorithm = "HS256"
            key = "{TOKEN_SECRET}"
            [topics."state/*"]
            keyed = true
            """
        )
        await self.serve(text.replace("[projects.p]", "[projects.local]"))
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)",
            "INSERT INTO orders VALUES (1, 'new')",
        )

    def here(self, code: str) -> str:
        """
        Adapt an example to the running daemon.
        """
        return code.replace("127.0.0.1:8787", f"127.0.0.1:{self.port}")

    async def shell(self, command: list[str]) -> tuple[str, str, int]:
        """
        Run a program in the directory of the daemon.
        """
        output, errors, status = await getProcessOutputAndValue(
            command[0],
            command[1:],
            {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PATH": f"{self.directory}:{os.environ['PATH']}",
            },
            str(self.directory),
        )
        return output.decode(), errors.decode(), status

    async def test_python(self) -> None:
        """
        Every example in C{docs/python.rst} does what it says.
        """
        examples = blocks(ROOT / "docs/python.rst", "python")
        programs = [code for code in examples if re.search(r"^(react|asyncio\.run)\(", code, re.M)]
        self.assertEqual(len(programs), 3)
        self.assertGreater(len(examples), 8)
        # An event may take long on a slow disk.
        self.patch(calls, "EMIT_SECONDS", PATIENCE)
        before = (
            "from aerostack.client import calls\n"
            f"calls.EMIT_SECONDS = {PATIENCE}\n"
            f"secretKey = {SECRET_KEY!r}\n"
        )
        running = [self.shell([sys.executable, "-c", before + self.here(p)]) for p in programs]
        # The last one streams on the topic whose newest event the second one shows.
        ended = [*await gather(*running[:2]), await running[2]]
        for (_, errors, status), program in zip(ended, programs, strict=True):
            self.assertEqual((status, errors), (0, ""), program)
        for output, _, _ in ended[:2]:
            self.assertIn("{'text': 'hello'}", output)
        self.assertEqual(self.execute("SELECT status FROM orders"), [("packed",)])
        self.execute("UPDATE orders SET status = 'new'")

        client = RealtimeClient(
            self.reactor, f"ws://127.0.0.1:{self.port}", projectId="local", userId="eve"
        )
        self.addCleanup(client.stopService)
        client.startService()
        await client.channel("chat/other").subscribe()
        names: dict[str, Any] = {
            "reactor": self.reactor,
            "client": client,
            "secretKey": SECRET_KEY,
            "token": makeToken("eve"),
        }
        sys.modules["fastapi"] = FASTAPI
        self.addCleanup(sys.modules.pop, "fastapi")
        output = io.StringIO()
        with redirect_stdout(output):
            for code in examples:
                if "aio import" in code and code not in programs:
                    # On an event loop of its own.
                    own = {"secretKey": SECRET_KEY}
                    await deferToThread(asyncio.run, self.onLoop(self.here(code), own))
                elif code not in programs:
                    await self.evaluate(self.here(code), names)
                # The last examples use the daemon in memory.
                if names["client"] is client:
                    await client.ping()
            for text in (
                # The row has left the filter.
                "gone: {'id': 1, 'status': 'new'}",
                "[{'status': 'shipped'}]",
                "1 cards",
                "eve {'typing': True}",
                "{'text': 'from a notebook'}",
                "[{'text': 'from the application'}]",
            ):
                await self.until(lambda text=text: text in output.getvalue().replace(WHO, ""))
            await client.stopService()

    async def onLoop(self, code: str, names: dict[str, Any]) -> None:
        """
        Run an example on asyncio: a cell of a notebook, a test, or an application.
        """
        await self.evaluate(code, names)
        if "test_chat" in names:
            await names["test_chat"]()
        if "app" not in names:
            return
        app, seen = names["app"], names["seen"]
        async with app.lifespan(app):
            while not seen:
                await names["say"]("from the application")
                await asyncio.sleep(0.01)
        print(seen[:1])

    async def evaluate(self, code: str, names: dict[str, Any]) -> None:
        """
        Run an example that awaits at its top level.
        """
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        result = eval(compile(code, "docs/python.rst", "exec", flags), names)
        if inspect.iscoroutine(result):
            await result

    async def test_token(self) -> None:
        """
        The daemon takes the tokens that the code in C{docs/javascript.rst} makes.
        """
        (code,) = [code for code in blocks(ROOT / "docs/javascript.rst", "ts") if "Hmac" in code]
        code += 'console.log(makeToken("eve"));\n'
        workshop = Workshop(self.directory / "server", {"token.ts": code})
        esbuild = ("esbuild", "token.ts", "--outfile=token.js", "--log-level=error")
        await deferToThread(run, *esbuild, folder=workshop.folder)
        command = ("env", f"REALTIME_JWT_SECRET={TOKEN_SECRET}", "node", "token.js")
        token = await deferToThread(run, *command, folder=workshop.folder)
        url = f"ws://127.0.0.1:{self.port}"
        client = RealtimeClient(self.reactor, url, projectId="local", token=token.strip())
        self.addCleanup(client.stopService)
        client.startService()
        room = client.channel("chat/tokens")
        heard: list[Any] = []
        room.on("message", heard.append)
        await room.subscribe()
        await room.publish("message", {"text": "hello"})
        await self.until(lambda: bool(heard))
        self.assertEqual(heard[0]["userId"], "eve")

    async def test_commands(self) -> None:
        """
        Every example in C{docs/cli.rst} that is about this machine does what it says.
        """
        program = self.directory / "aerostack-rt"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{CLI}" "$@"\n')
        program.chmod(0o755)
        lines = "".join(blocks(ROOT / "docs/cli.rst", "sh")).splitlines()
        lines = [line for line in lines if line and not ELSEWHERE.search(line)]
        self.assertGreater(len(lines), 10)
        endless = [line for line in lines if line.startswith("aerostack-rt tail")]
        self.assertEqual(len(endless), 4)
        # These commands end after their first output.
        following = Deferred.fromCoroutine(
            gather(*(self.shell(["/bin/sh", "-c", f"{line} -n 1"]) for line in endless))
        )
        results = await gather(
            *(self.shell(["/bin/sh", "-c", line]) for line in lines if line not in endless)
        )
        for output, errors, status in results:
            self.assertEqual((status, errors), (0, ""), output)
            for line in output.splitlines():
                # All output except tokens and the console's address is JSON.
                isOther = line.count(".") == 2 or line.startswith("http://127.0.0.1:")
                self.assertTrue(isOther or json.loads(line), line)
        while not following.called:
            self.execute("INSERT INTO orders (status) VALUES ('new')")
            await self.sleep(0.1)
        for output, errors, status in await following:
            self.assertEqual((status, json.loads(output)["topic"].endswith("/local")), (0, True))
            self.assertIn("watching", errors)
