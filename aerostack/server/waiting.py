"""
Waits for a database that is late, as after the boot of a machine.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.databases.backend import Unready, Unusable
from aerostack.server.listening import StartError
from aerostack.tracker.faults import SILENT

BLOCKING = 10.0
"""For how many seconds the start may stand still for the first attempt.  A server that answers
nothing, or a name server, may take longer than systemd lets a start take."""

PAUSE = 2.0
"""Seconds from a failed attempt to the next one."""

Outcome = Callable[[Exception | None], None]
Runner = Callable[[Any, Callable[[], None], Outcome], None]


def inThread(reactor: Any, attempt: Callable[[], None], outcome: Outcome) -> None:
    """
    Run something that blocks, without the reactor's threads: these keep a process from ending.

    @param outcome: Called in the reactor's thread, with what C{attempt} has raised.
    """

    _start(lambda: reactor.callFromThread(outcome, _errorOf(attempt)))


def _start(work: Callable[[], object]) -> None:
    Thread(target=work, name="waiting for another system", daemon=True).start()


def _errorOf(attempt: Callable[[], None]) -> Exception | None:
    try:
        attempt()
    except Exception as error:
        # The reactor's thread decides what follows from it.
        return error
    return None


class _First:
    """
    The first attempt, for whose end the start waits, but not for long.
    """

    def __init__(self, reactor: Any, attempt: Callable[[], None], late: Outcome) -> None:
        """
        @param late: Called in the reactor's thread, if the end came after L{wait}.
        """
        self._reactor = reactor
        self._late = late
        self._ended: SimpleQueue[Exception | None] = SimpleQueue()
        self._lock = Lock()
        self._isAwaited = True
        _start(lambda: self._end(_errorOf(attempt)))

    def _end(self, error: Exception | None) -> None:
        with self._lock:
            if self._isAwaited:
                self._ended.put(error)
            else:
                self._reactor.callFromThread(self._late, error)

    def wait(self, seconds: float) -> Exception | None:
        """
        Block until the attempt has ended.

        @return: What it has raised.
        @raise Empty: It has not ended in time.
        """
        try:
            return self._ended.get(timeout=seconds)
        except Empty:
            with self._lock:
                self._isAwaited = False
            return self._ended.get_nowait()


class DatabaseWait:
    """
    Prepares a database, and waits for it if it is not ready.

    @ivar fault: Why the daemon waits, as a sentence that clients may read; L{None} if it does not.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        url: str,
        prepare: Callable[[], None],
        ready: Callable[[], object],
        failed: Callable[[str], object],
        runner: Runner = inThread,
    ) -> None:
        """
        @param url: Names the database in messages, without its password.
        @param prepare: Makes the database ready, blocks, and raises L{Unusable}.  It may be called
            in another thread and several times; nothing else uses what it works on until then.
        @param ready: Called once a database is ready that was waited for.
        @param failed: Ends the daemon, because the database cannot be used.  It gets the reason.
        @param runner: See L{inThread}.
        """
        self.fault: str | None = None
        self._reactor = reactor
        self._url = url
        self._prepare = prepare
        self._ready = ready
        self._failed = failed
        self._runner = runner
        self._said = ""
        self._next: IDelayedCall | None = None
        self._stopped = False
        # Whether an attempt is being made.
        self._isRunning = False
        self._waiting: list[Deferred[None]] = []

    def begin(self) -> None:
        """
        Make the first attempt.  This blocks, but for L{BLOCKING} seconds at the most.

        @raise StartError: The database cannot be used, and waiting would not help.
        """
        first = _First(self._reactor, self._prepare, self._attempted)
        try:
            error = first.wait(BLOCKING)
        except Empty:
            self._isRunning = True
            error = Unready(f"it has not answered for {BLOCKING:g} s", SILENT)
        if isinstance(error, Unready):
            self._note(error)
        elif isinstance(error, Unusable):
            raise StartError(f"{self._url} cannot be used: {error}")
        elif error is not None:
            raise error

    def start(self) -> None:
        """
        Make further attempts, if L{begin} was not successful.
        """
        if self.fault is not None and not self._isRunning:
            self._next = self._reactor.callLater(PAUSE, self._attempt)

    def stop(self) -> None:
        """
        Wait no longer.  An attempt that is running has no effect on the daemon any more.
        """
        self._stopped = True
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def whenOver(self) -> Deferred[None]:
        """
        Wait until the database is ready.
        """
        over: Deferred[None] = Deferred()
        if self.fault is None:
            over.callback(None)
        else:
            self._waiting.append(over)
        return over

    def health(self) -> dict[str, Any]:
        """
        What C{/health} says meanwhile.
        """
        return {"status": "failing", "checks": {"database": self.fault}}

    def _note(self, error: Unready) -> None:
        self.fault = f"The database {error.fault}; the daemon waits for it, and lets no client in."
        if str(error) != self._said:
            self._said = str(error)
            self.log.warn(
                "waiting for the database {url}, and letting no client in: {error}",
                url=self._url,
                error=self._said,
            )

    def _attempt(self) -> None:
        self._next = None
        self._isRunning = True
        self._runner(self._reactor, self._prepare, self._attempted)

    def _attempted(self, error: Exception | None) -> None:
        self._isRunning = False
        if self._stopped:
            return
        if isinstance(error, Unready):
            self._note(error)
            self.start()
        elif isinstance(error, Unusable):
            self._failed(f"{self._url} cannot be used: {error}")
        elif error is not None:
            self.log.failure("the database could not be prepared", Failure(error))
            self._failed("the database could not be prepared")
        else:
            self._end()

    def _end(self) -> None:
        self.fault = None
        self.log.info("the database answers")
        try:
            self._ready()
        except Exception:
            # A daemon of which only a part works must not go on.
            self.log.failure("the daemon cannot begin to work")
            self._failed("it cannot begin to work, though the database is ready")
            return
        waiting, self._waiting = self._waiting, []
        for over in waiting:
            over.callback(None)
