"""
The threads of a database.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

Receive = Callable[[bool, Any], object]
"""Takes whether a call succeeded, and its result or the L{Failure}."""


class FreeingPool(ThreadPool):
    """
    Threads that leave nothing to the garbage collector.

    In Twisted's own pool each call refers to itself.  A call that fails also refers to its
    traceback, and so keeps all that it was given in memory: the request, for instance.
    """

    def callInThreadWithCallback(
        self, onResult: Receive | None, func: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """
        Make a call on a thread.

        @param onResult: Called on that thread with the result; L{None} to have a failure logged.
        """
        if onResult is None:
            super().callInThreadWithCallback(onResult, func, *args, **kw)
        elif not self.joined:
            self._team.do(_Call(onResult, partial(func, *args, **kw)))


class _Call:
    """
    A call that waits for a thread.
    """

    __slots__ = ("_call", "_receive")

    def __init__(self, receive: Receive, call: Callable[[], Any]) -> None:
        self._receive: Receive | None = receive
        self._call: Callable[[], Any] | None = call

    def __call__(self) -> None:
        # The thread refers to this object until its next call.
        call, receive, self._call, self._receive = self._call, self._receive, None, None
        assert call is not None and receive is not None, "called once"
        result: Any
        try:
            result, succeeded = call(), True
        except BaseException:
            result, succeeded = Failure(), False
        try:
            receive(succeeded, result)
        finally:
            # A failure refers to this frame.
            del result
