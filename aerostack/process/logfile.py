"""
Where the daemon's log goes: a file that may be rotated, or a pipe that may be full.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from pathlib import Path

from twisted.logger import Logger

MOST = 1_048_576
"""How many bytes wait for a reader that is slow."""

PATIENCE = 1.0
"""How many seconds the process waits for that reader before it ends."""

# A pipe that takes anything takes this many bytes without waiting (pipe(7): PIPE_BUF).
_CHUNK = 4096
# Seconds between two looks whether the file is still the one of that name.
_LOOK = 1.0


class LogOutput:
    """
    Takes lines, and never waits for their reader: a log pipe that is full must not stop the
    daemon.  Lines that do not fit are lost, and the log says how many.

    @ivar path: The file; L{None} for a descriptor that was open already.
    """

    _log = Logger()

    def __init__(self, target: Path | int) -> None:
        """
        @param target: A file to append to, or an open descriptor.
        """
        self.path = target.absolute() if isinstance(target, Path) else None
        self._fd = target if isinstance(target, int) else self._open()
        self._looked = time.monotonic()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        # Whether the last attempt to write failed.  The log cannot report that.
        self._failing = False

    def _open(self) -> int:
        assert self.path is not None
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def write(self, text: str) -> None:
        """
        Take some lines.
        """
        data = text.encode("utf-8")
        if self._size + len(data) > MOST:
            self._lost += 1
            return
        self._waiting.append(data)
        self._size += len(data)
        self.flush()

    def flush(self) -> None:
        """
        Write what can be written at once.
        """
        self._push(0)
        if self._lost and not self._waiting and not self._failing:
            lost, self._lost = self._lost, 0
            self._log.warn("{n} lines of the log were lost: it was not read or full", n=lost)

    def follow(self) -> None:
        """
        Open the file of our name again, if the open file was moved away.
        """
        if self.path is None:
            return
        self._looked = time.monotonic()
        try:
            if os.path.samestat(os.stat(self.path), os.fstat(self._fd)):
                return
        except FileNotFoundError:
            pass
        try:
            fresh = self._open()
        except OSError:
            # Its folder is gone, perhaps for a moment; the old file still takes lines.
            return
        os.close(self._fd)
        self._fd = fresh

    def close(self) -> None:
        """
        Write the lines that wait, as far as the file takes them within L{PATIENCE}.
        """
        self._push(PATIENCE)

    def _push(self, patience: float) -> None:
        if time.monotonic() - self._looked >= _LOOK:
            self.follow()
        until = time.monotonic() + patience
        while self._waiting and self._ready(until):
            line = self._waiting.popleft()
            self._size -= len(line)
            try:
                rest = line[os.write(self._fd, line[:_CHUNK]) :]
            except OSError:
                # The disk is full, or the reader is gone.
                self._failing = True
                self._lost += 1
                continue
            self._failing = False
            if rest:
                self._waiting.appendleft(rest)
                self._size += len(rest)

    def _ready(self, until: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))
