"""
The application's functions that the client calls, on an event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from twisted.logger import ILogObserver, LogEvent, STDLibLogObserver, globalLogPublisher
from zope.interface import provider

Callback = Callable[..., object]
"""A function of the application, or a coroutine function.  The client logs its exceptions."""

NAME = "aerostack.client"
"""The name of the logger of the standard library that has what the client logs."""

_log = logging.getLogger(NAME)


class Tasks:
    """
    Runs coroutines of handlers.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, coroutine: Coroutine[Any, Any, object], name: str) -> None:
        """
        Run a coroutine in a task of its own.
        """
        task = asyncio.get_running_loop().create_task(self._run(coroutine, name))
        # The event loop alone would not keep it alive.
        self._tasks.add(task)

        def over(_: object) -> None:
            self._tasks.discard(task)
            # A task that was cancelled before its first turn has not begun the coroutine.
            coroutine.close()

        task.add_done_callback(over)

    async def _run(self, coroutine: Coroutine[Any, Any, object], name: str) -> None:
        try:
            await coroutine
        except Exception:
            # asyncio would log it without the handler's name, and only when the task is collected.
            _log.exception("the handler %s failed", name)

    async def close(self) -> None:
        """
        Cancel the tasks that run, but for the caller's, and wait for their ends.
        """
        others = self._tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@dataclass(frozen=True)
class Handler:
    """
    Calls a function of the application.  Handlers of the same function are equal.
    """

    callback: Callback
    tasks: Tasks = field(compare=False)

    def __post_init__(self) -> None:
        if not callable(self.callback):
            raise TypeError(f"{self.callback!r} cannot be called")

    def __call__(self, *args: Any) -> None:
        name = getattr(self.callback, "__qualname__", repr(self.callback))
        try:
            result = self.callback(*args)
        except Exception:
            # The other handlers must still be called.
            _log.exception("the handler %s failed", name)
            return
        if inspect.iscoroutine(result):
            self.tasks.run(result, name)


_toLogging = STDLibLogObserver(NAME)


@provider(ILogObserver)
def _observe(event: LogEvent) -> None:
    """Take what a program on Twisted logs, and pass on what is the client's."""
    if str(event.get("log_namespace", "")).startswith(f"{NAME}."):
        _toLogging(event)


@cache
def useLogging() -> None:
    """
    Give what the client logs to the module C{logging}.  To do so again changes nothing.
    """
    globalLogPublisher.addObserver(_observe)
