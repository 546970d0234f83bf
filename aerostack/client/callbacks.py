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
"""What it returns is not looked at, but for a coroutine, which is run, and a Deferred:
what fails in them is logged."""


class Callbacks:
    """
    Calls who wants to be called, each once, in the order in which they came.
    """

    log = Logger()

    def __init__(self, added: Callable[[], None] | None = None) -> None:
        """
        @param added: Called whenever somebody wants to be called.
        """
        self._byName: dict[str, list[Callback]] = {}
        self._added = added

    def __bool__(self) -> bool:
        return any(self._byName.values())

    def add(self, name: str, callback: Callback) -> Callable[[], None]:
        """
        Call somebody when something happens.

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
        Call somebody no more.

        @param callback: L{None} for everybody.
        """
        callbacks = self._byName.get(name, [])
        if callback is None:
            self._byName.pop(name, None)
        elif callback in callbacks:
            callbacks.remove(callback)

    def clear(self) -> None:
        """
        Call nobody any more.
        """
        self._byName.clear()

    def call(self, name: str, *args: Any) -> bool:
        """
        Tell everybody who wants to know.  One that raises is logged, and costs the
        others nothing.

        @return: Whether there was anybody.
        """
        callbacks = tuple(self._byName.get(name, ()))
        for callback in callbacks:
            if callback not in self._byName.get(name, ()):
                # One before it has taken it back.
                continue
            try:
                result = callback(*args)
            except Exception:
                self._failed(Failure(), name)
                continue
            if isinstance(result, Coroutine):
                result = Deferred.fromCoroutine(result)
            if isinstance(result, Deferred):
                result.addErrback(self._failed, name)
        return bool(callbacks)

    def _failed(self, failure: Failure, name: str) -> None:
        self.log.failure("a callback for {name} failed", failure, name=name)
