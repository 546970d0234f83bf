"""
One waker for several readers of a database.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from aerostack.interfaces.tracking import IWaker


class SharedWaker:
    """
    Passes what a waker notices to all who listen.  It runs while at least one of them does.
    """

    def __init__(self, waker: IWaker) -> None:
        self._waker = waker
        self._listeners: dict[_Part, Callable[[], None]] = {}

    def share(self) -> IWaker:
        """
        Make a waker for one reader.
        """
        part: IWaker = _Part(self)
        return part

    def start(self, part: _Part, wake: Callable[[], None]) -> None:
        """
        Begin to call a function of one reader.
        """
        isFirst = not self._listeners
        self._listeners[part] = wake
        if isFirst:
            self._waker.start(self._wake)

    def stop(self, part: _Part) -> Deferred[None]:
        """
        Stop calling the function of one reader; see L{IWaker.stop}.
        """
        wasThere = self._listeners.pop(part, None) is not None
        stopped = self._waker.stop() if wasThere and not self._listeners else None
        return stopped or succeed(None)

    def _wake(self) -> None:
        for wake in tuple(self._listeners.values()):
            wake()


@implementer(IWaker)
class _Part:
    """What one reader has of a L{SharedWaker}."""

    def __init__(self, whole: SharedWaker) -> None:
        self._whole = whole

    def start(self, wake: Callable[[], None]) -> None:
        self._whole.start(self, wake)

    def stop(self) -> Deferred[None]:
        return self._whole.stop(self)
