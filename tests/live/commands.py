"""
The command line in processes, for tests with a running daemon.
"""

from __future__ import annotations

import json
import os
import sys
from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

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
        Wait until a command has written a text to the standard error.
        """
        await self.until(lambda: text in child.errors or child.ended.called)
        self.assertIn(text, child.errors)

    def emit(self, data: Any) -> Deferred[Any]:
        """
        Emit an event on C{chat/a}, like a server.
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


class Terminal(ProcessProtocol):
    """
    A Python process on a pseudo-terminal.
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
        """Return its output, with line feeds only."""
        # The last character may still be incomplete.
        return getincrementaldecoder("utf-8")().decode(self._shown).replace("\r\n", "\n")

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(0 if reason.check(ProcessDone) else reason.value.exitCode)

    async def kill(self) -> None:
        """
        Make sure that it has ended.
        """
        if not self.ended.called:
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess("KILL")
            await self.ended
