"""
Measures how far the daemon is behind with its work.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from aerostack.core.limits.lag import LagLimit


class LagMonitor(Service):
    """
    Calls itself at a fixed interval.  A reactor that has too much to do makes these calls late, and
    every other call is late by as much.

    @cvar interval: Seconds between two beats, and the precision of what is measured.
    """

    log = Logger()
    interval = 0.25

    def __init__(self, clock: IReactorTime, limit: LagLimit) -> None:
        self._limit = limit
        self._behind = False
        self._beating = LoopingCall.withCount(self._beat)
        self._beating.clock = clock

    def startService(self) -> None:
        super().startService()
        self._beating.start(self.interval)

    def stopService(self) -> None:
        super().stopService()
        if self._beating.running:
            self._beating.stop()

    def _beat(self, count: int) -> None:
        lag = (count - 1) * self.interval
        self._limit.measured(lag)
        if self._limit.behind and not self._behind:
            self.log.warn("{lag} s behind with the work: new connections are refused", lag=lag)
        elif self._behind and not self._limit.behind:
            self.log.info("caught up: new connections are let in again")
        self._behind = self._limit.behind
