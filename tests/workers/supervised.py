"""
A supervisor with real processes, for tests.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from aerostack.workers.distribution import Distribution
from aerostack.workers.frames import Beat
from aerostack.workers.process import WorkerProcess
from aerostack.workers.supervisor import Supervisor
from tests.workers.ends import until
from tests.workers.samples import KINDS


class Witness:
    """
    Writes down what a supervisor reports.
    """

    def __init__(self) -> None:
        self.begun: list[WorkerProcess] = []
        self.serving: list[WorkerProcess] = []
        self.messages: list[Any] = []
        self.gone: list[WorkerProcess] = []
        self.failures: list[str] = []

    def started(self, worker: WorkerProcess) -> None:
        self.begun.append(worker)

    def ready(self, worker: WorkerProcess) -> None:
        self.serving.append(worker)

    def received(self, worker: WorkerProcess, message: Any) -> None:
        self.messages.append((worker.name, message))

    def asked(self, worker: WorkerProcess, question: Any) -> Any:
        return question

    def ended(self, worker: WorkerProcess) -> None:
        self.gone.append(worker)

    def failed(self, reason: str) -> None:
        self.failures.append(reason)


def lives(pid: int) -> bool:
    """
    Whether there is such a process.  One that has ended and is not reaped counts as gone.
    """
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class SupervisedTestCase(TestCase):
    """
    Tests with a supervisor.
    """

    def supervise(self, count: int, body: str = "obedient") -> tuple[Supervisor, Witness]:
        """
        Start workers.

        @param body: One of L{tests.workers.bodies}.
        """
        self.distribution = Distribution(reactor)
        witness = Witness()
        supervisor = Supervisor(
            reactor, count, f"tests.workers.bodies:{body}", KINDS, witness, self.distribution
        )
        self.addCleanup(self.finish, witness)
        self.addCleanup(supervisor.stop)
        supervisor.start()
        return supervisor, witness

    def finish(self, witness: Witness) -> None:
        """
        Check that no process is left.
        """
        left = [worker.pid for worker in witness.begun if lives(worker.pid)]
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.assertEqual(left, [])

    async def serving(self, witness: Witness, count: int) -> list[WorkerProcess]:
        """
        Wait until so many processes have become ready and told a heartbeat.
        """
        await until(lambda: len([w for w in witness.serving if isinstance(w.last, Beat)]) >= count)
        return witness.serving
