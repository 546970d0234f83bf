"""
Reads the standard input without blocking the reactor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_CHUNK = 65536


class Lines:
    """
    Reads lines in threads of its own, so that the reactor turns while there are none.
    """

    def __init__(self, reactor: Any, read: Callable[[], bytes] | None = None) -> None:
        """
        @param read: Reads some bytes, and returns no bytes at the end; L{None} for the standard
            input.
        """
        self._reactor = reactor
        # Not sys.stdin: a waiting thread would hold its lock when the process ends.
        self._read = read or partial(os.read, sys.stdin.fileno(), _CHUNK)
        self._pieces: list[bytes] = []
        self._ready: list[bytes] = []
        self._ended = False

    async def next(self) -> bytes | None:
        """
        Wait for the next line.

        @return: The line without its line end; L{None} at the end of the input.
        """
        while not self._ready and not self._ended:
            chunk = await self._chunk()
            first, *more = chunk.split(b"\n")
            self._pieces.append(first)
            if more or not chunk:
                whole = b"".join(self._pieces)
                self._pieces = more[-1:]
                self._ready = [whole, *more[:-1]][::-1] if more or whole else []
            self._ended = not chunk
        return self._ready.pop() if self._ready else None

    def _chunk(self) -> Deferred[bytes]:
        read: Deferred[bytes] = Deferred()

        def run() -> None:
            try:
                chunk = self._read()
            except OSError:
                self._reactor.callFromThread(read.errback, Failure())
            else:
                self._reactor.callFromThread(read.callback, chunk)

        # The process may end while the thread waits.
        Thread(target=run, daemon=True).start()
        return read
