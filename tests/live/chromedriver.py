"""
The program that drives Chromium over WebDriver.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.ports import holdPort

STARTS = 10
"""How often the program is started at most until it gets its port."""

TAKEN = b"port not available"
"""What the program writes before it ends because another program has its port."""


class _Process(ProcessProtocol):
    """
    One run of the program.

    @ivar listening: Fires with C{True} once the program listens, and with C{False} if its port is
        taken.
    @ivar ended: Fires once the program has ended.
    """

    def __init__(self) -> None:
        self.listening: Deferred[bool] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self._output = b""

    def outReceived(self, data: bytes) -> None:
        self._output += data
        if b"was started successfully" in self._output and not self.listening.called:
            self.listening.callback(True)

    def processEnded(self, reason: Failure) -> None:
        if not self.listening.called:
            if TAKEN in self._output:
                self.listening.callback(False)
            else:
                self.listening.errback(RuntimeError(f"chromedriver ended: {self._output!r}"))
        self.ended.callback(None)


class Chromedriver:
    """
    A running chromedriver.

    @ivar url: Where it listens, without a slash at the end.
    """

    def __init__(self, reactor: Any, program: str, home: Path) -> None:
        """
        @param program: The path of chromedriver.
        @param home: An existing directory for what it writes.
        """
        self._reactor = reactor
        self._program = program
        self._home = home

    async def start(self) -> None:
        """
        Start the program on a port that it gets on IPv4 and on IPv6.

        The program does not choose well by itself: with C{--port=0} it asks for a free port on
        IPv6, and ends if a connection of another program has the same port on IPv4.

        @raise RuntimeError: If the program ends at once.
        """
        with ExitStack() as stack:
            for _ in range(STARTS):
                # A port that was taken stays held, so that the next one is another.
                held = stack.enter_context(holdPort())
                port = held.getsockname()[1]
                self._process = _Process()
                self._transport = self._reactor.spawnProcess(
                    self._process,
                    self._program,
                    [self._program, f"--port={port}"],
                    env={"HOME": str(self._home)},
                )
                if await self._process.listening:
                    self.url = f"http://127.0.0.1:{port}"
                    return
                await self._process.ended
        raise RuntimeError(f"chromedriver found each of {STARTS} ports taken")

    async def stop(self) -> None:
        """
        End the program.
        """
        self._transport.signalProcess("TERM")
        await self._process.ended
