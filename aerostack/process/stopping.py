"""
How long a stop may take, and what the daemon cuts when it takes longer.

All times are seconds after the stop began, whatever the configuration says.  The log takes one
more second at the most.  What is promised is 11 seconds: the rest is for a machine that has too
much to do.
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
"""When the connections that are still there are dropped."""

DATABASE = 7.0
"""When what the database was asked is given up."""

ORDERLY = 8.0
"""When the daemon waits for nothing any more."""

PROCESS = 9.0
"""When the process ends, whatever its threads do."""

AGAIN = 0.25
"""Seconds until what the database was asked is given up once more: a thread may have asked
something else."""

_log = Logger()


def bounded(
    clock: IReactorTime,
    stop: Callable[[], Deferred[None]],
    dropClients: Callable[[], object],
    sever: Callable[[], object],
) -> Deferred[None]:
    """
    Let a stop come to its end, and cut what takes too long.

    @param stop: Begins it.
    @param dropClients: Drops the connections that are still there.  It is called at L{CLIENTS}.
    @param sever: Fails what waits for the database.  It is called at L{DATABASE}, and then
        again and again.
    @return: Fires at the end, at L{ORDERLY} at the latest.  Fails as C{stop} does.
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
