"""
How long a stop may take, and what the daemon cuts when it takes longer.

All times are seconds after the stop began, and no setting changes them.  The log takes at most one
more second.  The documentation promises 11 seconds: the rest is for a machine that has too much to
do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

CLIENTS = 6.5
"""When the daemon drops the connections that are still open."""

DATABASE = 7.0
"""When the daemon gives up what it asked of the database."""

ORDERLY = 8.0
"""When the daemon stops waiting."""

PROCESS = 9.0
"""When the process ends, even if its threads still run."""

AGAIN = 0.25
"""Seconds until the daemon gives up once more: a thread may have asked the database something
else meanwhile."""

_log = Logger()


def bounded(
    clock: IReactorTime,
    stop: Callable[[], Deferred[None]],
    dropClients: Callable[[], object],
    sever: Callable[[], object],
) -> Deferred[None]:
    """
    Carry out a stop, and cut what takes too long.

    @param stop: Begins the stop.  Its L{Deferred} fires when the stop is done.
    @param dropClients: Drops the connections that are still open.  It is called at L{CLIENTS}.
    @param sever: Fails every call that waits for the database.  It is called at L{DATABASE}, and
        then every L{AGAIN} seconds.
    @return: Fires when the stop is done, at L{ORDERLY} at the latest.  Fails as C{stop} does.
    """
    severing = LoopingCall(sever)
    severing.clock = clock

    def giveUp() -> None:
        _log.error("the database does not answer; what it was asked is given up")
        severing.start(AGAIN)

    def late(failure: Failure) -> None:
        failure.trap(TimeoutError)
        _log.error("the stop does not come to its end; what is left is cut")

    def ended(result: Any) -> Any:
        for call in calls:
            if call.active():
                call.cancel()
        if severing.running:
            severing.stop()
        return result

    calls = [clock.callLater(CLIENTS, dropClients), clock.callLater(DATABASE, giveUp)]
    return stop().addTimeout(ORDERLY, clock).addErrback(late).addBoth(ended)
