"""
Runs a page's snippets with a daemon of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.docs import snippets
from tests.docs.snippets import Snippet
from tests.live.program import ProgramTests
from tests.net import ROOT, Child
from tests.ports import freePort
from tests.web import CLIENT

PORTS = ("8787", "8000")
"""The ports of the daemon and of a page in the documentation; a test uses other ports."""

COMMANDS = {
    "shell": ["bash", "-euo", "pipefail", "-c"],
    # The same, on a terminal.
    "terminal": ["bash", "-euo", "pipefail", "-c"],
    "python": [sys.executable, "-c"],
    # Node.js has the WebSocket of browsers too; before version 22 an option enables it.
    "javascript": ["node", "--experimental-websocket", "--input-type=module", "--eval"],
}

PATIENCE = 200.0
"""The timeout of a snippet in seconds."""


class Running:
    """
    A snippet that was started.

    @ivar snippet: The snippet.
    @ivar child: Its process.
    """

    def __init__(self, reactor: Any, snippet: Snippet, code: str, folder: Path) -> None:
        self.snippet = snippet
        self.child = Child()
        self._seen = 0
        # In a session of its own, so that the test can end its children too; on a terminal it is
        # in one anyway.
        terminal = snippet.what == "terminal"
        command = [*([] if terminal else ["setsid"]), *COMMANDS[snippet.what], code]
        environ = {
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self._process = reactor.spawnProcess(
            self.child, command[0], command, environ, path=str(folder), usePTY=terminal
        )

    @property
    def written(self) -> str:
        """Return its whole output."""
        return self.child.output + self.child.errors

    def next(self, shown: str, form: str) -> bool:
        """
        Return whether the output has a text after the previous match; the next call searches after
        this match.
        """
        written = self.child.output.splitlines()
        wanted = snippets.documents(shown) if form == "json" else shown.splitlines()
        seen = self._seen
        for line in wanted:
            matching = snippets.pattern(line)
            while True:
                if seen == len(written):
                    return False
                seen += 1
                if matching.fullmatch(_laidOut(written[seen - 1], form)):
                    break
        self._seen = seen
        return True

    async def kill(self) -> None:
        """
        Make sure that it has ended, with all of its children.
        """
        if not self.child.ended.called:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self.child.ended


def _laidOut(line: str, form: str) -> str:
    """Return a line in one form for comparison, if it is JSON."""
    if form == "json":
        with suppress(ValueError):
            (line,) = snippets.documents(line)
    return line


class PageTests(ProgramTests):
    """
    Runs pages in a directory like a checkout in which C{make run} runs.

    @ivar ports: This test's port for each of L{PORTS}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ports = dict(zip(PORTS, (str(self.port), str(freePort(self))), strict=True))
        shipped = (ROOT / "etc" / "rt.toml").read_text()
        self.config = self.directory / "etc" / "rt.toml"
        self.config.parent.mkdir()
        self.config.write_text(self.here(shipped))
        self.path = self.directory / "var" / "rt.db"
        (self.directory / ".venv").symlink_to(sys.prefix)
        package = self.directory / "node_modules" / "aerostack-rt"
        package.parent.mkdir()
        package.symlink_to(CLIENT)
        # The sqlite3 shell fails at once if another program writes; a user would try again.
        shell = self.directory / "bin" / "sqlite3"
        shell.parent.mkdir()
        sqlite = shutil.which("sqlite3")
        shell.write_text(f"#!/bin/sh\nexec {sqlite} -cmd '.timeout 60000' \"$@\"\n")
        shell.chmod(0o755)
        self.last: Running | None = None
        self.staying: Running | None = None

    def here(self, text: str) -> str:
        """
        Adapt a text to this test's daemon.
        """
        return re.sub("|".join(PORTS), lambda found: self.ports[found[0]], text)

    async def play(self, page: Path) -> None:
        """
        Run a page's snippets, one after the other.
        """
        steps = {
            "runs": self._runs,
            "stays": self._stays,
            "answers": self._answers,
            "shows": self._shows,
            "file": self._file,
        }
        await self.serve()
        for snippet in snippets.read(page):
            if snippet.does in steps:
                await steps[snippet.does](snippet)

    async def _runs(self, snippet: Snippet) -> None:
        running = self.last = self._start(snippet)
        await self._within(snippet, running, lambda: running.child.ended.called)
        self.assertEqual(await running.child.ended, 0, f"{snippet.place}: {running.written}")

    async def _stays(self, snippet: Snippet) -> None:
        running = self.staying = self._start(snippet)
        # It is ready once it has written something.
        await self._within(snippet, running, lambda: running.written)

    async def _answers(self, snippet: Snippet) -> None:
        assert self.last is not None, f"{snippet.place}: nothing was run"
        wanted, written = self.here(snippet.code), self.last.child.output
        if snippet.what == "json":
            wanted, written = ("\n".join(snippets.documents(t)) for t in (wanted, written))
        self.assertTrue(
            snippets.pattern(wanted.strip()).fullmatch(written.strip()),
            f"{snippet.place}: {written}",
        )

    async def _shows(self, snippet: Snippet) -> None:
        running = self.staying
        assert running is not None, f"{snippet.place}: nothing stays"
        shown = self.here(snippet.code)
        await self._within(snippet, running, lambda: running.next(shown, snippet.what))

    async def _file(self, snippet: Snippet) -> None:
        (self.directory / snippet.what).write_text(self.here(snippet.code) + "\n")

    def _start(self, snippet: Snippet) -> Running:
        running = Running(self.reactor, snippet, self.here(snippet.code), self.directory)
        self.addCleanup(running.kill)
        return running

    async def _within(self, snippet: Snippet, running: Running, holds: Any) -> None:
        """
        Wait until a condition is true; on a timeout, report the place and the output.
        """
        end = self.reactor.seconds() + PATIENCE
        while not holds():
            over = running.child.ended.called or self.reactor.seconds() > end
            if over and not holds():
                self.fail(f"{snippet.place}: this was not to be all: {running.written}")
            await self.sleep(0.02)
