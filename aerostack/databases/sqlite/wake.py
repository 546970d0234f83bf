"""
Notices other programs' writes to an SQLite database.

In WAL mode a commit is written to a separate file beside the database, C{-wal}, and Linux
notifies programs that watch the folder (inotify(7)).  It reports the write, but not the commit,
which takes effect a little later: SQLite first makes the file safe, and then enters the commit in
shared memory, which no notification reports.  So the waker has the journal read at once, and
again after pauses that grow, until the tracker's regular ticks suffice again.  It continues also
when a read has found something, because the next commit may have begun meanwhile.

In the older modes, with a rollback journal, the waker is silent.  There a reader blocks a writer
for a moment, and a writer without a busy timeout would fail more often if the daemon read after
each of its writes.

Other systems have no inotify, and on network file systems it reports only this machine's writes.
There the regular ticks must suffice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.filepath import FilePath
from twisted.python.reflect import requireModule
from zope.interface import implementer

from aerostack.interfaces.tracking import IWaker

inotify: Any = requireModule("twisted.internet.inotify")

FIRST = 0.001
"""The pause before the first repeated read of the journal, in seconds."""

LAST = 0.032
"""The longest such pause, in seconds; after it the repetition ends."""

BUSY = 0.004
"""The pause during continuous writes, in seconds."""


class Asking:
    """
    When to read the journal for a write that was reported, but may not be committed yet.
    """

    def __init__(self, clock: IReactorTime, ask: Callable[[], None]) -> None:
        self._clock = clock
        self._ask = ask
        self._call: IDelayedCall | None = None
        self._pause = FIRST

    def heard(self) -> None:
        """
        Read now, and again after pauses each twice as long as the one before.  A further report
        begins the pauses anew, but not with the shortest, so that a program that writes all the
        time does not keep the daemon busy all the time.
        """
        if self._call is None:
            self._pause = FIRST
            self._next()
            return
        self._pause = min(self._pause, BUSY)
        if self._call.getTime() > self._clock.seconds() + BUSY:
            self._call.reset(BUSY)

    def _next(self) -> None:
        self._call = None
        if self._pause <= LAST:
            self._call = self._clock.callLater(self._pause, self._next)
            self._pause *= 2
        self._ask()

    def stop(self) -> None:
        """
        End the repetition.
        """
        if self._call is not None:
            self._call.cancel()
            self._call = None


@implementer(IWaker)
class WALWaker:
    """
    Wakes the tracker when an SQLite database's WAL file is written to.
    """

    log = Logger()

    def __init__(self, reactor: Any, path: Path) -> None:
        """
        @param path: The database.
        """
        self._reactor = reactor
        self._path = path
        self._asking: Asking | None = None
        self._notifier: Any = None

    def start(self, wake: Callable[[], None]) -> None:
        def ask() -> None:
            # All writes between two reads cause one report, before the second: the system merges
            # equal events while they are not read.
            if self._notifier is not None:
                self._notifier.startReading()
            wake()

        self._asking = Asking(self._reactor, ask)
        # The WAL file is beside the database itself, not beside a link to it.
        database = os.path.realpath(self._path)
        self._wal = os.fsencode(os.path.basename(database) + "-wal")
        if inotify is None:
            return
        try:
            self._notifier = inotify.INotify(self._reactor)
            # Watch the folder, because the file comes and goes.
            self._notifier.watch(
                FilePath(os.path.dirname(database)), inotify.IN_MODIFY, callbacks=[self._heard]
            )
        except inotify.INotifyError as error:
            self.log.info(
                "changes are found by regular reads of the journal only: {error}", error=error
            )
            self.stop()
        else:
            self._notifier.startReading()

    def _heard(self, watch: object, path: FilePath[bytes], mask: int) -> None:
        if mask & inotify.IN_DELETE_SELF:
            # The folder is gone, and the notifier goes with it.
            self._notifier = None
        elif path.basename() == self._wal and self._asking is not None:
            if self._notifier is not None:
                self._notifier.stopReading()
            self._asking.heard()

    def stop(self) -> None:
        if self._asking is not None:
            self._asking.stop()
            self._asking = None
        notifier, self._notifier = self._notifier, None
        if notifier is not None:
            notifier.loseConnection()
