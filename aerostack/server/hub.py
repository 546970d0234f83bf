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
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack import __version__
from aerostack.process.memory import memoryLimit, physicalMemory
from aerostack.process.stopping import CLIENTS, DATABASE, bounded
from aerostack.server.carried import encodeConfig
from aerostack.server.figures import WorkerFigures, encodeTimings
from aerostack.server.hubparts import HubParts
from aerostack.server.kinds import KINDS
from aerostack.server.listening import makeListeners
from aerostack.server.node import Node
from aerostack.server.passing import Passing
from aerostack.server.reload import merge, sectionsThatWait
from aerostack.server.replacing import Replacer
from aerostack.server.runs import newRun
from aerostack.settings.settings import Config
from aerostack.workers.attendance import describeAbsent
from aerostack.workers.distribution import Distribution
from aerostack.workers.memory import boundOf
from aerostack.workers.messages.figures import AskFigures, DaemonFigures, Figures, Load, Measure
from aerostack.workers.messages.serving import (
    Clients,
    Drop,
    Finish,
    Reconfigure,
    Refuse,
    SendAway,
    Setup,
    Status,
)
from aerostack.workers.process import WorkerProcess
from aerostack.workers.supervisor import Supervisor

BODY = "aerostack.server.worker:run"
"""What a worker does."""

ACKNOWLEDGED = 10.0
"""Seconds that a worker has to take up a configuration.  After that it has hung."""

COUNTED = 1.0
"""Seconds that a worker has to say how many clients it has, when the daemon stops."""

MEASURED = 1.0
"""Seconds that a worker has to give its numbers."""

INTERVAL = 1.0
"""Seconds between two reports on the daemon's health to the workers."""


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
    @ivar passing: The addresses that the daemon listens on.
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
        @param failed: Ends the process, because its workers die again and again.  It gets the
            reason.
        """
        super().__init__()
        self.count = processes(config)
        self.config = self._counted(config)
        self._reactor = reactor
        self._wall = wall
        self._failed = failed
        self.node = Node(config, reactor, wall, newRun(), hasWorkers=True)
        self.node.setServiceParent(self)
        self._distribution = Distribution(reactor)
        self.passing = Passing(self._distribution)
        self.supervisor = Supervisor(reactor, self.count, BODY, KINDS, self, self._distribution)
        self._parts = HubParts(reactor, wall, self.node, self.supervisor.names)
        self._replacer = Replacer(reactor, self.supervisor, self._memoryBound())
        self._figures = WorkerFigures()
        self._reporting = LoopingCall(self._report)
        self._reporting.clock = reactor
        self._waiting: list[Deferred[None]] = []
        # The names of the workers that serve clients.
        self._serving: set[str] = set()
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
        self.node.prepare()
        for listener in makeListeners(self._reactor, self.config):
            self.passing.listen(listener)
        super().privilegedStartService()

    def startService(self) -> None:
        super().startService()
        self._parts.start()
        self.supervisor.start()
        self._replacer.start()
        self._reporting.start(INTERVAL, now=False)
        self.log.info(
            "aerostack-rt {version} serves {database} on {listen} with {n} workers",
            version=__version__,
            database=self.config.database.url,
            listen=", ".join(self.config.server.listen),
            n=self.count,
        )

    def whenReady(self) -> Deferred[None]:
        """
        Wait until every worker serves clients.
        """
        ready: Deferred[None] = Deferred()
        self._waiting.append(ready)
        self._letGo()
        return ready

    def _letGo(self) -> None:
        self._whole = self._whole or len(self._serving) == self.count
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
        worker.channel.send(self._status())
        self._parts.started(worker)

    def ready(self, worker: WorkerProcess) -> None:
        self._serving.add(worker.name)
        if self._whole:
            self.log.info("{worker} serves clients again", worker=worker.name)
        self._report()
        self._letGo()

    def received(self, worker: WorkerProcess, message: Any) -> None:
        if type(message) is Figures:
            self._figures.note(worker.name, message)
            self._parts.streams.note(worker.channel, message.watchers)
            return
        self._parts.handlers[type(message)](worker.channel, message)

    def asked(self, worker: WorkerProcess, question: Any) -> Any:
        if type(question) is AskFigures:
            return self._measure()
        return self._parts.handlers[type(question)](worker.channel, question)

    def ended(self, worker: WorkerProcess) -> None:
        self._serving.discard(worker.name)
        self._figures.ended(worker.name)
        self._replacer.ended(worker.name)
        self._parts.ended(worker)
        self._report()

    def failed(self, reason: str) -> None:
        self._failed(reason)

    # Health

    def _status(self) -> Status:
        node, now = self.node, self._reactor.seconds()
        return Status(
            dict(node.faults()),
            {
                **node.notices(),
                "workers": describeAbsent(
                    self.supervisor.names,
                    self._serving,
                    (worker.load for worker in self.supervisor.workers.values()),
                    now,
                ),
                "deaths": self.supervisor.deaths.describe(now),
                "memory": self._replacer.notice(),
            },
            node.nodes(),
        )

    def _report(self) -> None:
        status = self._status()
        for worker in self.supervisor.workers.values():
            worker.channel.send(status)

    @inlineCallbacks
    def _measure(self) -> Any:
        """
        Gather the numbers of all workers.  Of those that do not answer in time, the numbers are
        those that they have sent last.
        """
        yield self._ask(lambda _: Measure(), MEASURED, self._serving)
        figures = self._figures.join()
        measured = self.node.measure(figures.values, {})
        return DaemonFigures(
            {**measured.values, **self._parts.values()},
            {**figures.timings, **encodeTimings(measured.timings)},
            {
                name: Load(
                    worker.last.connections,
                    worker.last.lag,
                    worker.last.processor,
                    worker.last.memory,
                    self.supervisor.deaths.count(name),
                )
                for name, worker in self.supervisor.workers.items()
                if worker.last is not None
            },
        )

    # Stopping

    @inlineCallbacks
    def stopService(self) -> Any:
        """
        Refuse new clients, close the connections, write what waits for the database, and stop.
        The daemon cuts every step that takes longer than L{aerostack.process.stopping} allows.
        """
        pools = self.node.pools
        pools.giveUp(DATABASE)
        yield bounded(self._reactor, self._leave, self._dropClients, pools.sever)
        yield self.supervisor.stop()
        pools.close()
        self.log.info("stopped")

    @inlineCallbacks
    def _leave(self) -> Any:
        begun = self._reactor.seconds()

        def until(due: float) -> float:
            return max(begun + due - self._reactor.seconds(), 0.0)

        self.supervisor.retire()
        self._replacer.stop()
        # A worker that is replaced sends its clients away already.
        staying = self.supervisor.workers.keys() - self._replacer.leaving
        counted = yield self._ask(lambda _: Refuse(), COUNTED, staying)
        clients = {
            name: answer.count for name, answer in counted.items() if isinstance(answer, Clients)
        }
        # systemd keeps its sockets open: a client that connects to one waits for the next daemon.
        # A client at another address gets an answer now, which says when to come back.
        yield self.passing.stop(inherited=True)
        total = sum(clients.values())
        # A worker that hangs leaves the others and the database the time that they need.
        sent = yield self._ask(
            lambda name: SendAway(total - clients.get(name, 0)), until(CLIENTS), staying
        )
        yield self.passing.stop(inherited=False)
        hung = {name for name, answer in sent.items() if answer is None} - clients.keys()
        ended = yield self._ask(lambda _: Finish(), until(DATABASE), sent.keys() - hung)
        for name, worker in self.supervisor.workers.items():
            if ended.get(name) is None:
                worker.kill("it did not answer")
        if self._reporting.running:
            self._reporting.stop()
        self._parts.stop()
        yield self.supervisor.stop()
        yield super().stopService()
        # Let the calls end that wait for the database.
        yield self.node.flushed()

    def _dropClients(self) -> None:
        for worker in self.supervisor.workers.values():
            worker.channel.send(Drop())

    @inlineCallbacks
    def _ask(self, question: Callable[[str], Any], timeout: float, among: Any = None) -> Any:
        """
        Ask workers.

        @param question: Makes the question for a worker, which it gets the name of.
        @param among: The names of those that are asked; L{None} for all that run.
        @param timeout: Seconds that each has for its answer.
        @return: A L{Deferred} of the answers, by the workers' names: L{None} where there is none.
        """
        workers = self.supervisor.workers
        names = [name for name in workers if among is None or name in among]
        asked = [workers[name].channel.ask(question(name), timeout) for name in names]
        found = yield DeferredList(asked, consumeErrors=True)
        answers: dict[str, Any] = {}
        for name, (worked, answer) in zip(names, found, strict=True):
            answers[name] = answer if worked else None
            if not worked:
                self.log.warn(
                    "{worker} did not answer: {reason}", worker=name, reason=_reason(answer)
                )
        return answers

    # Reloading

    @inlineCallbacks
    def reload(self, config: Config) -> Any:
        """
        Take over the settings that can change while connections are open; see
        L{aerostack.server.daemon.Daemon.reload}.

        @return: A L{Deferred} that fires when every worker has done so, or has hung.
        """
        config = self._counted(config) if config.server.workers == "auto" else config
        self.config = merge(self.config, config)
        for name in sectionsThatWait(config, self.config):
            self.log.warn("[{name}] has changed; it takes a restart", name=name)
        self.node.reload(self.config)
        self._parts.reload(self.config)
        self.passing.reload()
        self._replacer.reload(self._memoryBound())
        data, certificates = encodeConfig(self.config), self.passing.certificates()
        yield self._ask(lambda _: Reconfigure(data, certificates), ACKNOWLEDGED)


def _reason(failure: Failure) -> str:
    return failure.getErrorMessage() or str(failure.type)
