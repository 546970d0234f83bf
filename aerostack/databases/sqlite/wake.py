"""
Being woken by what others write to an SQLite database.

In WAL mode a commit is written to a file of its own beside the database, C{-wal}, and
Linux tells whoever watches the folder (inotify(7)).  The write is told, but not the
commit, which takes effect a little later: the file is first made safe, and then what is
new is entered in memory that all share, which nobody is told of.  So the journal is
asked at once, and again after pauses that grow, until it can be left to the tracker's
own ticks again.  What comes of it, nothing as a rule, does not matter: the next commit
may have begun when the last one was found.

In the older modes, a rollback journal's, nobody is woken.  There a reader stands in the
way of a writer for a moment, and a writer that waits for nobody would fail more often
if it were read whenever it writes.

There is no inotify on other systems, and on network file systems it tells of this
machine's writes only.  Then the ticks have to do.
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

from aerostack.interfaces import IWaker

inotify: Any = requireModule("twisted.internet.inotify")

FIRST = 0.001
"""The pause before the journal is asked again, in seconds."""

LAST = 0.032
"""The longest such pause; then it is left alone."""

BUSY = 0.004
"""The pause while it is written to without end."""


class Asking:
    """
    When to ask for something that was heard of, and may not be there yet.
    """

    def __init__(self, clock: IReactorTime, ask: Callable[[], None]) -> None:
        self._clock = clock
        self._ask = ask
        self._call: IDelayedCall | None = None
        self._pause = FIRST

    def heard(self) -> None:
        """
        Ask now, and again after pauses each twice as long as the one before.  While that
        goes on it begins anew, but not with the shortest: whoever writes all the time is
        not to keep us busy all the time.
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
        Ask no more.
        """
        if self._call is not None:
            self._call.cancel()
            self._call = None


@implementer(IWaker)
class WALWaker:
    """
    Wakes when an SQLite database's WAL file is written to.
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
            # What is written between two questions is heard of once, before the second:
            # the system puts equal events together as long as nobody reads them.
            if self._notifier is not None:
                self._notifier.startReading()
            wake()

        self._asking = Asking(self._reactor, ask)
        # The file stands beside the database, not beside a link to it.
        database = os.path.realpath(self._path)
        self._wal = os.fsencode(os.path.basename(database) + "-wal")
        if inotify is None:
            return
        try:
            self._notifier = inotify.INotify(self._reactor)
            # The folder, because the file comes and goes.
            self._notifier.watch(
                FilePath(os.path.dirname(database)), inotify.IN_MODIFY, callbacks=[self._heard]
            )
        except inotify.INotifyError as error:
            self.log.info("changes are found by asking now and then only: {error}", error=error)
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
