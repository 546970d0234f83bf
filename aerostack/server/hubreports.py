"""
Reports the daemon's health to its workers, and puts together what they count.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import LoopingCall

from aerostack.process.usage import Usage
from aerostack.server.figures import WorkerFigures, encodeTimings, joinValues
from aerostack.server.hubparts import HubParts
from aerostack.server.node import Node
from aerostack.server.questions import WorkerQuestions
from aerostack.server.replacing import Replacer
from aerostack.workers.attendance import describeAbsent
from aerostack.workers.messages.figures import DaemonFigures, Figures, Load, Measure
from aerostack.workers.messages.serving import Status
from aerostack.workers.supervisor import Supervisor
from aerostack.workers.worker.memory import residentMemory

INTERVAL = 1.0
"""Seconds between two reports on the daemon's health to the workers."""

MEASURED = 1.0
"""Seconds that a worker has to give its numbers."""


class HubReports:
    """
    The daemon's health and numbers.

    @ivar serving: The names of the workers that serve clients.
    """

    def __init__(
        self,
        reactor: Any,
        node: Node,
        parts: HubParts,
        supervisor: Supervisor,
        replacer: Replacer,
        questions: WorkerQuestions,
    ) -> None:
        self.serving: set[str] = set()
        self._reactor = reactor
        self._node = node
        self._parts = parts
        self._supervisor = supervisor
        self._replacer = replacer
        self._questions = questions
        self._figures = WorkerFigures()
        self._usage = Usage(reactor.seconds, residentMemory)
        self._repeating = LoopingCall(self.report)
        self._repeating.clock = reactor

    def start(self) -> None:
        """
        Begin to report to the workers.
        """
        self._repeating.start(INTERVAL, now=False)

    def stop(self) -> None:
        """
        Report no more.
        """
        if self._repeating.running:
            self._repeating.stop()

    def began(self, name: str) -> None:
        """
        Note that a worker serves clients.
        """
        self.serving.add(name)
        self.report()

    def ended(self, name: str) -> None:
        """
        Note that a worker has died.
        """
        self.serving.discard(name)
        self._figures.ended(name)
        self.report()

    def note(self, name: str, figures: Figures) -> None:
        """
        Take the newest numbers of a worker.
        """
        self._figures.note(name, figures)

    def status(self) -> Status:
        """
        The health of the daemon.
        """
        node, supervisor, now = self._node, self._supervisor, self._reactor.seconds()
        return Status(
            dict(node.faults()),
            {
                **node.notices(),
                "workers": describeAbsent(
                    supervisor.names,
                    self.serving,
                    (worker.load for worker in supervisor.workers.values()),
                    now,
                ),
                "deaths": supervisor.deaths.describe(now),
                "memory": self._replacer.notice(),
            },
            node.nodes(),
        )

    def report(self) -> None:
        """
        Send the health of the daemon to every worker.
        """
        status = self.status()
        for worker in self._supervisor.workers.values():
            worker.channel.send(status)

    @inlineCallbacks
    def measure(self) -> Any:
        """
        Gather the numbers of all workers.  Of those that do not answer in time, the numbers are
        those that they have sent last.

        @return: A L{Deferred} of L{DaemonFigures}.
        """
        yield self._questions.ask(lambda _: Measure(), MEASURED, self.serving)
        figures = self._figures.join()
        here = joinValues([figures.values, self._usage.values()])
        measured = self._node.measure(here, {})
        return DaemonFigures(
            {**measured.values, **self._parts.values()},
            {**figures.timings, **encodeTimings(measured.timings)},
            {
                name: Load(
                    worker.last.connections,
                    worker.last.lag,
                    worker.last.processor,
                    worker.last.memory,
                    self._supervisor.deaths.count(name),
                )
                for name, worker in self._supervisor.workers.items()
                if worker.last is not None
            },
        )
