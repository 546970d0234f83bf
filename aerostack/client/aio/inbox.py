"""
Frames that wait for a loop of the application.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame

LONGEST = 10_000
"""How many frames wait for a loop at most."""


class Inbox:
    """
    Keeps frames until a loop takes them.
    """

    def __init__(self, most: int = LONGEST) -> None:
        """
        @param most: How many frames may wait.
        """
        self._most = most
        self._frames: deque[Frame] = deque()
        self._changed = asyncio.Event()
        self._isOver = False
        self._error: ClientError | None = None

    def put(self, frame: Frame) -> None:
        """
        Add a frame.  If too many wait, this is the last.
        """
        if self._isOver:
            return
        if len(self._frames) == self._most:
            message = f"More than {self._most} frames wait for the loop; take them faster."
            self.end(ClientError("queue_full", message))
            return
        self._frames.append(frame)
        self._changed.set()

    def end(self, error: ClientError | None = None, *_: Any) -> None:
        """
        No more frames come.

        @param error: Why; L{None} if the application wants no more.
        """
        if not self._isOver:
            self._isOver, self._error = True, error
            self._changed.set()

    async def next(self) -> Frame | None:
        """
        Take the next frame.

        @return: L{None} if no more come.
        @raise ClientError: No more come, for this reason.
        """
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self._isOver:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._frames.popleft()
