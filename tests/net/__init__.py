"""
Tests of L{aerostack.net}.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from codecs import getincrementaldecoder
from contextlib import suppress
from functools import cache
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

ROOT = Path(__file__).resolve().parents[2]

_UTF8 = getincrementaldecoder("utf-8")


@cache
def _sockets() -> str:
    directory = tempfile.mkdtemp(prefix="rt-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def socketPath() -> Path:
    """
    Give the path of a Unix socket that a test may make.  It stands in a directory of its own: the
    name of a socket has at most 107 bytes, and the directory of a test may be longer.
    """
    return Path(tempfile.mkdtemp(dir=_sockets())) / "rt.sock"


class Child(ProcessProtocol):
    """
    A Python process of our own.

    @ivar output: What it wrote to its standard output.
    @ivar errors: What it wrote to its standard error.
    @ivar ended: Fires with its exit status; with the negative number of the signal,
        if one killed it.
    """

    def __init__(self) -> None:
        self.output = ""
        self.errors = ""
        self.ended: Deferred[int] = Deferred()
        # A character may come in two parts.
        self._decoders = {1: _UTF8(), 2: _UTF8()}
        self._waiting: list[tuple[str, Deferred[None]]] = []

    @classmethod
    def spawn(
        cls,
        reactor,
        arguments: list[str],
        environ: dict[str, str] | None = None,
        descriptors: dict[int, int] | None = None,
        program: str = sys.executable,
    ) -> Child:
        """
        Start Python, or something else.  A shell in front of it tells it its own process
        number, as systemd would.

        @param descriptors: More file descriptors for the child, by the number they
            have there.
        """
        child = cls()
        command = ["sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', program, *arguments]
        reactor.spawnProcess(
            child,
            "/bin/sh",
            command,
            {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environ or {})},
            childFDs={0: "w", 1: "r", 2: "r", **(descriptors or {})},
        )
        return child

    def outReceived(self, data: bytes) -> None:
        self.output += self._decoders[1].decode(data)
        for waiting in list(self._waiting):
            if waiting[0] in self.output:
                self._waiting.remove(waiting)
                waiting[1].callback(None)

    def errReceived(self, data: bytes) -> None:
        self.errors += self._decoders[2].decode(data)

    def processEnded(self, reason: Failure) -> None:
        for text, waiting in self._waiting:
            waiting.errback(self._silent(text))
        self._waiting = []
        if reason.check(ProcessDone):
            self.ended.callback(0)
        elif reason.value.signal is not None:
            self.ended.callback(-reason.value.signal)
        else:
            self.ended.callback(reason.value.exitCode)

    def wrote(self, text: str) -> Deferred[None]:
        """
        Wait until the child has written something to its standard output.  Fails if it has ended
        without that.
        """
        waiting: Deferred[None] = Deferred()
        if text in self.output:
            waiting.callback(None)
        elif self.ended.called:
            waiting.errback(self._silent(text))
        else:
            self._waiting.append((text, waiting))
        return waiting

    def _silent(self, text: str) -> AssertionError:
        return AssertionError(f"ended before it wrote {text!r}:\n{self.output}{self.errors}")

    def signal(self, name: str) -> None:
        """
        Send a signal, C{"TERM"} for instance.
        """
        self.transport.signalProcess(getattr(signal, f"SIG{name}"))

    async def kill(self) -> None:
        """
        Make sure that it is gone.
        """
        if not self.ended.called:
            # It may have ended, and what it wrote may not be read yet.
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess("KILL")
            await self.ended
