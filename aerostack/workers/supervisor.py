"""
Keeps the workers running.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from aerostack.workers.channel import BUDGET
from aerostack.workers.deaths import Deaths
from aerostack.workers.distribution import Distribution
from aerostack.workers.frames import Beat, Codec
from aerostack.workers.lives import MAX_DEATHS, WINDOW, Lives
from aerostack.workers.process import WorkerProcess

REPLACING = 5.0
"""Seconds for which clients wait for a worker that is started at once after its death, so that the
other workers do not get all of the dead worker's clients."""

BEGINNING = 10.0
"""Seconds for which clients wait for workers when the daemon starts, so that the first worker that
serves does not get all of them.  They only wait for so long if a worker does not come."""

INTERVAL = 0.25
"""Seconds between two looks at all workers.  A worker that is due waits no longer than this."""


class SupervisorUser(Protocol):
    """
    What the supervisor reports to.
    """

    def started(self, worker: WorkerProcess) -> None:
        """A process was started.  What is sent to it now, it receives first."""

    def ready(self, worker: WorkerProcess) -> None:
        """The worker serves clients from now on."""

    def received(self, worker: WorkerProcess, message: Any) -> None:
        """The worker has sent a message."""

    def asked(self, worker: WorkerProcess, question: Any) -> Any:
        """The worker asks; see L{aerostack.workers.channel.Receiver.asked}."""

    def ended(self, worker: WorkerProcess) -> None:
        """The process is gone, and with it all connections that it had."""

    def failed(self, reason: str) -> None:
        """The workers die again and again, and are not started any more."""


class Supervisor:
    """
    Starts workers, starts them again when they die, and kills those that hang.

    @ivar names: The names of all workers.
    @ivar workers: The processes that run, by the workers' names.
    @ivar deaths: Which workers have died.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        count: int,
        body: str,
        kinds: Sequence[type[Struct]],
        user: SupervisorUser,
        distribution: Distribution,
    ) -> None:
        """
        @param count: How many workers there are.
        @param body: See L{WorkerProcess}.
        @param kinds: See L{Codec}; the body has the same.
        """
        self.workers: dict[str, WorkerProcess] = {}
        self.deaths = Deaths()
        self._reactor = reactor
        self._body = body
        self._codec = Codec(kinds)
        self._user = user
        self._distribution = distribution
        self._budget = BUDGET / count
        self.names = tuple(f"worker-{n}" for n in range(1, count + 1))
        self._lives = Lives(self.names, reactor.seconds())
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._stopping: Deferred[None] | None = None

    def start(self) -> None:
        """
        Start all workers.
        """
        for name in self.names:
            self._distribution.expect(name, BEGINNING)
        self._looking.start(INTERVAL).addErrback(
            lambda reason: self._log.failure("the workers are not watched any more", reason)
        )

    def isolate(self, name: str) -> None:
        """
        Give a worker no further connections.
        """
        self._distribution.remove(name)

    def retire(self) -> None:
        """
        Start no worker any more.  Those that run go on.
        """
        if self._looking.running:
            self._looking.stop()

    def stop(self) -> Deferred[None]:
        """
        End all workers.  What they were sent before, and have not read, is lost.

        @return: Fires when no process is left.
        """
        if self._stopping is None:
            self._stopping = Deferred()
            self.retire()
            for worker in list(self.workers.values()):
                self._distribution.remove(worker.name)
                worker.channel.close()
            self._finish()
        return self._stopping

    def _look(self) -> None:
        now = self._reactor.seconds()
        for name in self._lives.hung(now):
            self._distribution.remove(name)
            self.workers[name].kill("it has sent no heartbeat")
        for name in self._lives.due(now):
            self._start(name, now)

    def _start(self, name: str, now: float) -> None:
        self._lives.started(name, now)
        try:
            worker = WorkerProcess(
                self._reactor,
                name,
                self._body,
                self._codec,
                self,
                self._distribution.sent,
                self._budget,
            )
        except OSError as error:
            self._distribution.remove(name)
            self._died(name, f"it cannot be started: {error}")
            return
        self.workers[name] = worker
        self._user.started(worker)

    def _died(self, name: str, reason: str) -> None:
        if not self._looking.running:
            # It has failed already.
            return
        now = self._reactor.seconds()
        self.deaths.note(name, reason, now)
        pause = self._lives.ended(name, now)
        if self._lives.hopeless(now):
            self._looking.stop()
            self._user.failed(
                f"{MAX_DEATHS} workers died within {WINDOW:g} s; of the last one, {name}: {reason}"
            )
            return
        self._log.error(
            "{worker} has died: {reason}; it is started again {when}",
            worker=name,
            reason=reason,
            when=f"in {pause:g} s" if pause else "at once",
        )
        if not pause:
            self._distribution.expect(name, REPLACING)
            self._start(name, now)

    def _finish(self) -> None:
        if self._stopping is not None and not self.workers and not self._stopping.called:
            self._distribution.close()
            self._stopping.callback(None)

    # ProcessUser

    def ready(self, worker: WorkerProcess) -> None:
        if self._stopping is None:
            self._distribution.add(worker.name, worker.load, worker.sender)
            self._user.ready(worker)

    def beat(self, worker: WorkerProcess, beat: Beat) -> None:
        now = self._reactor.seconds()
        self._lives.heard(worker.name, now)
        worker.load.beat(now, beat.connections, beat.received)

    def received(self, worker: WorkerProcess, message: Any) -> None:
        self._user.received(worker, message)

    def asked(self, worker: WorkerProcess, question: Any) -> Any:
        return self._user.asked(worker, question)

    def ended(self, worker: WorkerProcess, reason: str) -> None:
        del self.workers[worker.name]
        self._distribution.remove(worker.name)
        worker.sender.close()
        self._user.ended(worker)
        if self._stopping is None:
            self._died(worker.name, reason)
        self._finish()
