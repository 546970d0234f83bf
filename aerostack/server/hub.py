"""
The daemon with several workers: this process, the hub, has the node and accepts connections, and
the workers serve them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger

from aerostack import __version__
from aerostack.core.diagnosis.histogram import Histogram
from aerostack.process.memory import memoryLimit, physicalMemory
from aerostack.process.reloads import Outcome
from aerostack.process.stopping import DATABASE, bounded
from aerostack.server.adopting import Adopting
from aerostack.server.carried import encodeConfig
from aerostack.server.departing import depart
from aerostack.server.hubparts import HubParts
from aerostack.server.hubreports import HubReports
from aerostack.server.kinds import KINDS
from aerostack.server.listening import makeListeners
from aerostack.server.node import Node
from aerostack.server.passing import Passing
from aerostack.server.questions import WorkerQuestions
from aerostack.server.reload import merge, warnOfWaiting
from aerostack.server.replacing import Replacer
from aerostack.server.runs import newRun
from aerostack.server.tracing import Tracing
from aerostack.server.unready import Unready
from aerostack.server.waiting import DatabaseWait
from aerostack.settings.settings import Config
from aerostack.workers.distribution import Distribution
from aerostack.workers.memory import boundOf
from aerostack.workers.messages.figures import AskFigures, Figures
from aerostack.workers.messages.serving import (
    Drop,
    Reconfigure,
    Setup,
)
from aerostack.workers.process import WorkerProcess
from aerostack.workers.supervisor import Supervisor

BODY = "aerostack.server.worker:run"
"""What a worker does."""

ACKNOWLEDGED = 10.0
"""Seconds that a worker has to take up a configuration.  After that it has hung."""


def processes(config: Config) -> int:
    """
    How many workers a configuration asks for; 1 is this process alone.
    """
    workers = config.server.workers
    if isinstance(workers, int):
        return workers
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class HubDaemon(MultiService):
    """
    Everything that one configuration describes, in several processes.

    @ivar node: What exists once on a machine.
    @ivar supervisor: Keeps the workers running.
    @ivar wait: Waits for a database that is late.
    @ivar passing: The addresses that the daemon listens on.
    @ivar searches: The durations of the searches of Python's garbage collector in this process,
        which serves no clients.
    """

    log = Logger()

    def __init__(
        self,
        config: Config,
        reactor: Any,
        wall: Callable[[], float] = time.time,
        failed: Callable[[str], object] = lambda reason: None,
    ) -> None:
        """
        @param reactor: See L{aerostack.server.daemon.Daemon}.
        @param failed: Ends the process, because its workers die again and again, or another daemon
            has its name.  It gets the reason.
        """
        super().__init__()
        self.count = processes(config)
        self.config = self._counted(config)
        self.searches = Histogram()
        self._reactor = reactor
        self._failed = failed
        self.node = Node(config, reactor, wall, newRun(), hasWorkers=True, failed=failed)
        self.wait = DatabaseWait(
            reactor, config.database.url, self.node.prepare, self._recover, failed
        )
        self._unready = Unready(reactor, wall, config, self.node, self.wait)
        # Serves in this process until the database is ready.
        self._lateness: Adopting | None = None
        self._distribution = Distribution(reactor)
        self.passing = Passing(self._distribution)
        self.node.about.listeners = self.passing.listeners
        self.supervisor = Supervisor(reactor, self.count, BODY, KINDS, self, self._distribution)
        self._tracing = Tracing(reactor, config.tracing)
        self._tracing.setServiceParent(self)
        self._parts = HubParts(
            reactor, wall, self.node, self.supervisor.names, self._tracing.tracer
        )
        self._replacer = Replacer(reactor, self.supervisor, self._memoryBound())
        self._questions = WorkerQuestions(self.supervisor)
        self._reports = HubReports(
            reactor, self.node, self._parts, self.supervisor, self._replacer, self._questions
        )
        self._waiting: list[Deferred[None]] = []
        self._whole = False

    def _memoryBound(self) -> int | None:
        limit = memoryLimit(physical=physicalMemory())
        return boundOf(self.config.server.workerMemory, limit, self.count)

    def _counted(self, config: Config) -> Config:
        """Say in a configuration how many workers "auto" is."""
        return replace(config, server=replace(config.server, workers=self.count))

    # Starting

    def privilegedStartService(self) -> None:
        """
        Prepare the database and take the addresses, so that the operator learns of a fault before
        anything runs.

        @raise StartError: The database or an address cannot be used; the message says why.
        """
        # The reactor does not turn yet, so this may block.
        self.wait.begin()
        if self.wait.fault is None:
            self._attach()
        for listener in makeListeners(self._reactor, self.config):
            self.passing.listen(listener)
        if self.wait.fault is not None:
            self._excuse()
        super().privilegedStartService()

    def startService(self) -> None:
        super().startService()
        if self.wait.fault is None:
            self._serve()
        self.wait.start()

    def _attach(self) -> None:
        """Let the node work with the database, which is ready."""
        self.node.takeOver()
        self.node.setServiceParent(self)

    def _serve(self) -> None:
        """Start the workers."""
        self._parts.start()
        self.supervisor.start()
        self._replacer.start()
        self._reports.start()
        self.log.info(
            "aerostack-rt {version} serves {database} on {listen} with {n} workers",
            version=__version__,
            database=self.config.database.url,
            listen=", ".join(self.config.server.listen),
            n=self.count,
        )

    def _excuse(self) -> None:
        """Answer in this process while there are no workers."""
        self._lateness = Adopting(
            self._reactor,
            self._unready.tree,
            self.config.limits,
            1,
            self.config.server.listen,
            self.config.path.parent,
            self.passing.certificates(),
        )
        self._lateness.start()
        self.passing.take = self._lateness.adopt

    def _recover(self) -> None:
        """Begin to work: the database was late."""
        self._attach()
        self.node.reload(self.config)
        self._parts.reload(self.config)
        self._serve()
        self.passing.take = self._distribution.take
        self._lateness = None

    def whenReady(self) -> Deferred[None]:
        """
        Wait until every worker serves clients.
        """
        ready: Deferred[None] = Deferred()
        self._waiting.append(ready)
        self._letGo()
        return ready.addCallback(lambda _: self.node.whenNamed())

    def _letGo(self) -> None:
        self._whole = self._whole or len(self._reports.serving) == self.count
        if self._whole:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    # SupervisorUser

    def started(self, worker: WorkerProcess) -> None:
        worker.channel.send(
            Setup(
                encodeConfig(self.config),
                self.passing.certificates(),
                self.node.engine is not None,
            )
        )
        worker.channel.send(self._reports.status())
        self._parts.started(worker)

    def ready(self, worker: WorkerProcess) -> None:
        if self._whole:
            self.log.info("{worker} serves clients again", worker=worker.name)
        self._reports.began(worker.name)
        self._letGo()

    def received(self, worker: WorkerProcess, message: Any) -> None:
        if type(message) is Figures:
            self._reports.note(worker.name, message)
            self._parts.streams.note(worker.channel, message.watchers)
            return
        self._parts.handlers[type(message)](worker.channel, message)

    def asked(self, worker: WorkerProcess, question: Any) -> Any:
        if type(question) is AskFigures:
            return self._reports.measure()
        return self._parts.handlers[type(question)](worker.channel, question)

    def ended(self, worker: WorkerProcess) -> None:
        self._replacer.ended(worker.name)
        self._parts.ended(worker)
        self._reports.ended(worker.name)

    def failed(self, reason: str) -> None:
        self._failed(reason)

    # Stopping

    @inlineCallbacks
    def stopService(self) -> Any:
        """
        Refuse new clients, close the connections, write what waits for the database, and stop.
        The daemon cuts every step that takes longer than L{aerostack.process.stopping} allows.
        """
        self.wait.stop()
        if self.wait.fault is not None:
            yield self.passing.stop(inherited=True)
            yield self.passing.stop(inherited=False)
            yield super().stopService()
            self.node.refusals.stopService()
            self.log.info("stopped")
            return
        pools = self.node.pools
        pools.giveUp(DATABASE)
        yield bounded(self._reactor, self._leave, self._dropClients, pools.sever)
        yield self.supervisor.stop()
        pools.close()
        self.log.info("stopped")

    @inlineCallbacks
    def _leave(self) -> Any:
        yield depart(self._reactor, self.supervisor, self._replacer, self.passing, self._questions)
        self._reports.stop()
        self._parts.stop()
        yield self.supervisor.stop()
        yield super().stopService()
        # Let the calls end that wait for the database.
        yield self.node.flushed()
        yield self._tracing.whenGone()

    def _dropClients(self) -> None:
        for worker in self.supervisor.workers.values():
            worker.channel.send(Drop())

    # Reloading

    @inlineCallbacks
    def reload(self, config: Config) -> Any:
        """
        Take over the settings that can change while connections are open; see
        L{aerostack.server.daemon.Daemon.reload}.

        @return: A L{Deferred} that fires with the L{Outcome} when every worker has done so, or has
            hung.
        """
        config = self._counted(config) if config.server.workers == "auto" else config
        self.config = merge(self.config, config)
        notes = warnOfWaiting(config, self.config, self.log)
        faults = self.passing.reload()
        self._replacer.reload(self._memoryBound())
        if self._lateness is not None:
            self._unready.reload(self.config)
            self._lateness.reload(self.config.limits, self.passing.certificates())
            self.node.about.reloaded(not faults)
            return Outcome(tuple(faults), tuple(notes))
        self.node.reload(self.config)
        self._parts.reload(self.config)
        data, certificates = encodeConfig(self.config), self.passing.certificates()
        answers = yield self._questions.ask(lambda _: Reconfigure(data, certificates), ACKNOWLEDGED)
        self.node.about.reloaded(not faults)
        silent = (f"{name} has not answered" for name in answers if answers[name] is None)
        return Outcome((*faults, *silent), tuple(notes))
