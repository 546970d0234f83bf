"""
A worker: it serves clients, and does what the hub asks for.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.errors import RealtimeError
from aerostack.process.garbage import GarbageCollector
from aerostack.process.polling import boundPolling
from aerostack.process.steady import makeSteady
from aerostack.server.adopting import Adopting
from aerostack.server.carried import decodeConfig
from aerostack.server.figures import encodeTimings
from aerostack.server.front import Front
from aerostack.server.kinds import KINDS
from aerostack.server.remote import RemoteNode
from aerostack.server.runs import newRun
from aerostack.workers.descriptors import Arrival
from aerostack.workers.messages.figures import Figures, Measure
from aerostack.workers.messages.serving import (
    Clients,
    Done,
    Drop,
    Finish,
    Reconfigure,
    Refuse,
    SendAway,
    Setup,
)
from aerostack.workers.worker.main import Worker

AGAIN = 1.0
"""Seconds until a worker that could not read the revocations tries again."""


INTERVAL = 1.0
"""Seconds between two reports of the worker's numbers.  What a worker has counted since its last
report is lost when it dies."""


class WorkerDaemon(MultiService):
    """
    The front of the daemon, in a process of its own.

    @ivar node: Stands for the node, which the hub has.
    @ivar front: Serves clients.
    """

    def __init__(
        self,
        setup: Setup,
        reactor: Any,
        wall: Callable[[], float],
        run: str,
        node: RemoteNode,
        report: Callable[[Figures], object],
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param run: The id of this run, as for L{Front}.
        @param report: Sends the numbers of this worker to the hub.
        """
        super().__init__()
        config = decodeConfig(setup.config)
        self._reactor = reactor
        self._wall = wall
        self._report = report
        self._reporting = LoopingCall(self._send)
        self._reporting.clock = reactor
        self.node = node
        node.setServiceParent(self)
        self.front = Front(
            config,
            reactor,
            wall,
            run,
            node.provide(),
            node,
            node.processes,
        )
        node.join(self.front.hub.delivery, self.front.feeds, self.front.interruptions)
        self.front.setServiceParent(self)
        GarbageCollector(reactor, self.front.searches).setServiceParent(self)
        server = config.server
        self.adopting = Adopting(
            reactor,
            self.front.site.root,
            config.limits,
            int(server.workers),
            server.listen,
            config.path.parent,
            setup.certificates,
        )

    def startService(self) -> None:
        super().startService()
        self.adopting.start()
        self._reporting.start(INTERVAL, now=False)

    def stopService(self) -> Any:
        self._reporting.stop()
        return super().stopService()

    @inlineCallbacks
    def whenReady(self) -> Any:
        """
        Read the revocations of tokens.  Until that works, no client may be let in.
        """
        front = self.front
        store = self.node.provide().revocations
        while True:
            try:
                found = yield store.read(tuple(front.config.projects), int(self._wall() * 1000))
            except RealtimeError:
                # The hub's log says what is wrong with the database.
                yield deferLater(self._reactor, AGAIN)
            else:
                front.revocations.begin(found)
                return

    def connections(self) -> int:
        """
        How many connections the worker has.
        """
        return len(self.front.connections) + len(self.adopting.lobby)

    # What the hub asks

    def measure(self, asked: Measure) -> Done:
        """
        Send the numbers of this worker now.
        """
        self._send()
        return Done()

    def _send(self) -> None:
        front = self.front
        values, timings = dict(front.values()), encodeTimings(front.timings())
        figures = Figures(values, timings, front.watchers())
        self._report(figures)

    def reconfigure(self, asked: Reconfigure) -> Done:
        """
        Go by another configuration.
        """
        config = decodeConfig(asked.config)
        self.node.reload(config)
        self.front.reload(config)
        self.adopting.reload(config.limits, asked.certificates)
        return Done()

    def refuse(self, asked: Refuse) -> Clients:
        """
        Let no more clients in.
        """
        self.front.refuse()
        return Clients(len(self.front.connections))

    def sendAway(self, asked: SendAway) -> Deferred[Done]:
        """
        Send all clients away.
        """
        return self.front.sendAway(asked.elsewhere).addCallback(lambda _: Done())

    @inlineCallbacks
    def finish(self, asked: Finish) -> Any:
        """
        Wait until every client has closed, and end the work.
        """
        yield self.front.waitForClients()
        yield maybeDeferred(self.stopService)
        yield self.front.tracing.whenGone()
        # The hub ends this process once it has the answer.  The last bytes to operators and other
        # clients of HTTP go first: the reactor writes them between these two turns.
        for _ in range(2):
            yield deferLater(self._reactor, 0)
        return Done()

    def drop(self, asked: Drop) -> None:
        """
        Drop every client that is still there.
        """
        self.front.dropClients()


class WorkerBody:
    """
    Takes what the hub sends, and hands it to the part that it is for.
    """

    log = Logger()

    def __init__(self, worker: Worker, wall: Callable[[], float]) -> None:
        self._worker = worker
        self._wall = wall
        self._daemon: WorkerDaemon | None = None
        self._handlers: dict[type, Callable[[Any], Any]] = {Setup: self._setUp}

    def _setUp(self, setup: Setup) -> None:
        try:
            daemon = self._daemon = self._makeDaemon(setup)
            daemon.adopting.lobby.entrances.append(self._worker.receiver)
            daemon.privilegedStartService()
            daemon.startService()
            ready = daemon.whenReady().addCallback(lambda _: self._worker.ready())
        except Exception:
            # A process of which only a part works must not go on.
            self._fail(Failure())
        else:
            ready.addErrback(self._fail)

    def _fail(self, reason: Failure) -> None:
        """End this process; the hub tries again with another one."""
        self.log.failure("the worker cannot start", reason)
        # What this turn has sent goes first.
        self._worker.reactor.callLater(0, os._exit, 1)

    def _makeDaemon(self, setup: Setup) -> WorkerDaemon:
        worker = self._worker
        config = decodeConfig(setup.config)
        worker.setLogLevel(config.log.level)
        run = newRun()
        node = RemoteNode(worker.reactor, self._wall, run, config, worker.channel, setup.isShared)
        daemon = WorkerDaemon(setup, worker.reactor, self._wall, run, node, worker.channel.send)
        self._handlers.update(node.handlers)
        self._handlers.update(
            {
                Reconfigure: daemon.reconfigure,
                Refuse: daemon.refuse,
                SendAway: daemon.sendAway,
                Finish: daemon.finish,
                Drop: daemon.drop,
                Measure: daemon.measure,
            }
        )
        return daemon

    # Body

    def received(self, message: Any) -> None:
        self._handlers[type(message)](message)

    def asked(self, question: Any) -> Any:
        return self._handlers[type(question)](question)

    def adopt(self, connection: socket.socket, arrival: Arrival) -> None:
        assert self._daemon is not None, "no connection comes before the worker is ready"
        self._daemon.adopting.adopt(connection, arrival)

    def connections(self) -> int:
        return 0 if self._daemon is None else self._daemon.connections()


def run(worker: Worker) -> None:
    """
    Serve clients until the hub ends the process.
    """
    makeSteady(worker.reactor)
    boundPolling(worker.reactor)
    worker.open(KINDS, WorkerBody(worker, time.time))
