"""
How the daemon answers signals.  It reloads on SIGHUP and stops in order on SIGTERM and SIGINT.  It
ends at once on the second of these, and also when a stop takes too long.
"""

from __future__ import annotations

import atexit
import os
import signal
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

_STOP = (signal.SIGTERM, signal.SIGINT)

_UNWATCHING = 1.0
"""Seconds that the end of the process waits for the thread that watches it."""


class Signals(Service):
    """
    Takes the process's signals while it runs.

    Twisted's own handlers make C{twistd} die by the signal that stopped it, which a
    service manager may take for a failure.  Under these the exit status is 0.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        reload: Callable[[], object],
        patience: float,
        lastWords: Callable[[], object],
    ) -> None:
        """
        @param reactor: The reactor that is stopped.
        @param reload: Called on SIGHUP.
        @param patience: How many seconds after the signal the process ends, whatever the reactor
            and other threads do then.
        @param lastWords: Writes what is left of the log, before that end and on a thread.
        """
        self._reactor = reactor
        self._reload = reload
        self._patience = patience
        self._lastWords = lastWords
        self._previous: dict[int, Any] = {}
        self._trigger: Any = None
        self._asked = False
        self._leaving = False
        # Released when the watch over the stop shall end, and when it has ended.
        self._stopped, self._unwatched = allocate_lock(), allocate_lock()
        self._stopped.acquire()
        self._unwatched.acquire()
        # Before what closes the log, so that the watch ends after that.
        atexit.register(self._endWatch)

    def startService(self) -> None:
        """
        Take SIGHUP at once, because unhandled it kills; the others as soon as the
        reactor runs, because it installs its own handlers then.
        """
        super().startService()
        self._install(signal.SIGHUP, self._hangUp)
        self._trigger = self._reactor.addSystemEventTrigger("before", "shutdown", self._leave)
        self._reactor.callWhenRunning(self._takeStops)

    def stopService(self) -> None:
        """
        Restore the earlier signal handlers.  While the reactor stops for good ours stay, so that a
        second signal still forces the exit, and a late SIGHUP does not cut the stop short.
        """
        super().stopService()
        if self._leaving:
            return
        self._reactor.removeSystemEventTrigger(self._trigger)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _takeStops(self) -> None:
        if self.running:
            for number in _STOP:
                self._install(number, self._stop)

    def _install(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        self._previous[number] = signal.signal(number, handler)

    def _leave(self) -> None:
        self._leaving = True

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            # Not sys.exit: it would run the very code that did not end.
            os._exit(128 + number)
        self._asked = True
        # A handler may run while the main thread holds any lock, so this takes none; and
        # whatever waits for threads at the end of a process does not wait for this one.
        start_new_thread(self._end, ())
        self._reactor.callFromThread(self._stopReactor, number)

    def _endWatch(self) -> None:
        """
        End the thread that watches the stop.  Python 3.11.2, which Debian 12 has, may crash if a
        thread is left when the interpreter ends.
        """
        if self._asked:
            self._stopped.release()
            self._unwatched.acquire(timeout=_UNWATCHING)

    def _end(self) -> None:
        if self._stopped.acquire(timeout=self._patience):
            self._unwatched.release()
            return
        try:
            self._log.error("the stop has taken {n} s; the process ends now", n=self._patience)
            self._lastWords()
        finally:
            # As after any other stop: the daemon has acknowledged nothing that is lost now.
            os._exit(0)

    def _stopReactor(self, number: int) -> None:
        self._log.info(
            "{name}: stopping; a second one exits at once", name=signal.Signals(number).name
        )
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            self._log.info("already stopping")

    def _hangUp(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._startReload)

    def _startReload(self) -> None:
        if not self._leaving:
            self._log.info("SIGHUP: reloading")
            self._reload()
