"""
The examples in the documentation, run.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import dedent
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue

from aerostack.client.realtime import RealtimeClient
from aerostack.testing import SECRET_KEY, TOKEN_SECRET
from tests.live.clients import makeToken
from tests.live.daemon import gather
from tests.live.program import CLI, ProgramTests
from tests.net import ROOT

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
        self.assertEqual(len(programs), 2)
        self.assertGreater(len(examples), 8)
        ended = await gather(*(self.shell([sys.executable, "-c", self.here(p)]) for p in programs))
        for (_, errors, status), program in zip(ended, programs, strict=True):
            self.assertEqual((status, errors), (0, ""), program)
        self.assertIn("{'text': 'hello'}", ended[0][0])

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
        output = io.StringIO()
        with redirect_stdout(output):
            for code in examples:
                if code not in programs:
                    await self.evaluate(self.here(code), names)
                # The last examples use the daemon in memory.
                if names["client"] is client:
                    await client.ping()
            for text in (
                # The row has left the filter.
                "gone: {'id': 1, 'status': 'new'}",
                "[{'status': 'shipped'}]",
                "eve {'typing': True}",
            ):
                await self.until(lambda text=text: text in output.getvalue().replace(WHO, ""))
            await client.stopService()

    async def evaluate(self, code: str, names: dict[str, Any]) -> None:
        """
        Run an example that awaits at its top level.
        """
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        result = eval(compile(code, "docs/python.rst", "exec", flags), names)
        if inspect.iscoroutine(result):
            await result

    async def test_commands(self) -> None:
        """
        Every example in C{docs/cli.rst} does what it says.
        """
        program = self.directory / "aerostack-rt"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{CLI}" "$@"\n')
        program.chmod(0o755)
        lines = "".join(blocks(ROOT / "docs/cli.rst", "sh")).splitlines()
        lines = [line for line in lines if line]
        self.assertGreater(len(lines), 10)
        endless = [line for line in lines if line.startswith("aerostack-rt tail")]
        self.assertEqual(len(endless), 2)
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
