"""
What the scenes of several processes and nodes work with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from certificate import Certificate
from generator import Generator
from processes import Failed
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

T = TypeVar("T")


@dataclass(frozen=True)
class Tools:
    """
    The tools of a scene.

    @ivar generator: The compiled load generator.
    @ivar cache: The directory with the installed peers.
    @ivar quick: Whether the scene is only to show that it works, with small numbers.
    """

    reactor: Any
    generator: Generator
    certificate: Certificate
    cache: Path
    quick: bool

    def sleep(self, seconds: float) -> Deferred[None]:
        """
        Return what fires after a while.
        """
        return deferLater(self.reactor, seconds, lambda: None)

    async def until(self, holds: Callable[[], object], what: str, seconds: float = 60) -> float:
        """
        Wait until a condition is true.

        @return: The seconds that it took.
        @raise Failed: It took longer than C{seconds}.
        """
        began = time.monotonic()
        while not holds():
            if time.monotonic() > began + seconds:
                raise Failed(f"waited {seconds:g} s for {what}")
            await self.sleep(0.01)
        return time.monotonic() - began


@asynccontextmanager
async def aside(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """
    Use a context manager whose beginning and end block.
    """
    entered = await deferToThread(manager.__enter__)
    try:
        yield entered
    except BaseException:
        if not await deferToThread(manager.__exit__, *sys.exc_info()):
            raise
    else:
        await deferToThread(manager.__exit__, None, None, None)
