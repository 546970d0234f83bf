"""
An application's callbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

Callback = Callable[..., object]
"""A function of the application.  If it returns a coroutine, that is run.  A failure of the
coroutine, or of a Deferred that the function returns, is logged."""


class Callbacks:
    """
    Holds callbacks by name, and calls them in the order in which they were added.
    """

    log = Logger()

    def __init__(self, added: Callable[[], None] | None = None) -> None:
        """
        @param added: Called whenever a callback is added.
        """
        self._byName: dict[str, list[Callback]] = {}
        self._added = added

    def __bool__(self) -> bool:
        return any(self._byName.values())

    def add(self, name: str, callback: Callback) -> Callable[[], None]:
        """
        Add a callback.  Adding it twice changes nothing.

        @return: Takes the callback back.
        """
        if not callable(callback):
            raise TypeError(f"{callback!r} cannot be called")
        callbacks = self._byName.setdefault(name, [])
        if callback not in callbacks:
            callbacks.append(callback)
        if self._added is not None:
            self._added()
        return lambda: self.remove(name, callback)

    def remove(self, name: str, callback: Callback | None = None) -> None:
        """
        Take a callback back.

        @param callback: L{None} for all callbacks of the name.
        """
        callbacks = self._byName.get(name, [])
        if callback is None:
            self._byName.pop(name, None)
        elif callback in callbacks:
            callbacks.remove(callback)

    def clear(self) -> None:
        """
        Take all callbacks back.
        """
        self._byName.clear()

    def call(self, name: str, *args: Any) -> bool:
        """
        Call the callbacks of a name.  An exception of one is logged; the others are still called.

        @return: Whether there is a callback.
        """
        callbacks = tuple(self._byName.get(name, ()))
        for callback in callbacks:
            if callback not in self._byName.get(name, ()):
                # An earlier callback has taken it back.
                continue
            try:
                result = callback(*args)
            except Exception:
                # The other callbacks must still be called.
                self._failed(Failure(), name)
                continue
            if isinstance(result, Coroutine):
                result = Deferred.fromCoroutine(result)
            if isinstance(result, Deferred):
                result.addErrback(self._failed, name)
        return bool(callbacks)

    def _failed(self, failure: Failure, name: str) -> None:
        self.log.failure("a callback for {name} failed", failure, name=name)
