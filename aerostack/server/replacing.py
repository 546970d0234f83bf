"""
Replaces a worker whose memory grows.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from aerostack.errors import RealtimeError
from aerostack.process.stopping import CLIENTS
from aerostack.workers.channel import ChannelLost
from aerostack.workers.memory import MemoryWatch
from aerostack.workers.messages.serving import Finish, Refuse, SendAway
from aerostack.workers.process import WorkerProcess
from aerostack.workers.supervisor import Supervisor

INTERVAL = 1.0
"""Seconds between two looks: a worker sends as many heartbeats."""

STEPS = (Refuse(), SendAway(0), Finish())
"""What a worker does before it ends: it tells its clients when to come back, as when the daemon
stops.  They come back to other workers."""


class Replacer:
    """
    Looks at the memory of all workers, and replaces one that stays beyond the bound.

    @ivar leaving: The workers that are sending their clients away.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, supervisor: Supervisor, bound: int | None) -> None:
        """
        @param bound: How many bytes of memory a worker may have; L{None} for any number.
        """
        self.leaving: set[str] = set()
        self._clock = clock
        self._supervisor = supervisor
        self._watch = MemoryWatch(bound)
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock
        self._waiting: list[Deferred[None]] = []

    def reload(self, bound: int | None) -> None:
        """
        Go by another bound.
        """
        self._watch.bound = bound

    def start(self) -> None:
        """
        Begin to look.
        """
        self._looking.start(INTERVAL, now=False)

    def stop(self) -> None:
        """
        Replace no further worker.
        """
        if self._looking.running:
            self._looking.stop()

    def ended(self, name: str) -> None:
        """
        Note that a worker has died.
        """
        self._watch.ended(name)
        self.leaving.discard(name)
        self._letGo()

    def whenOver(self) -> Deferred[None]:
        """
        Wait until every worker has ended that was sending its clients away.
        """
        over: Deferred[None] = Deferred()
        self._waiting.append(over)
        self._letGo()
        return over

    def _letGo(self) -> None:
        if not self.leaving:
            waiting, self._waiting = self._waiting, []
            for over in waiting:
                over.callback(None)

    def notice(self) -> str | None:
        """
        Name the workers that have too much memory; L{None} if no worker has.
        """
        names = self._watch.beyond
        if not names:
            return None
        verb = "has" if len(names) == 1 else "have"
        return f"{' and '.join(names)} {verb} more memory than server.worker_memory."

    def _look(self) -> None:
        workers = self._supervisor.workers
        for name, worker in workers.items():
            if worker.last is not None:
                self._watch.note(name, worker.last.memory)
        due = self._watch.due(self._clock.seconds())
        if due is not None and due not in self.leaving:
            self._replace(workers[due])

    @inlineCallbacks
    def _replace(self, worker: WorkerProcess) -> Any:
        assert worker.last is not None
        reason = f"it has {worker.last.memory >> 20} MiB, more than server.worker_memory"
        self._log.warn("{worker} is replaced: {reason}", worker=worker.name, reason=reason)
        self.leaving.add(worker.name)
        self._supervisor.isolate(worker.name)
        try:
            for step in STEPS:
                yield worker.channel.ask(step, CLIENTS)
        except (TimeoutError, ChannelLost, RealtimeError) as error:
            self._log.warn(
                "{worker} did not send its clients away: {error}",
                worker=worker.name,
                error=error,
            )
        worker.kill(reason)
