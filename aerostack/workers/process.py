"""
A worker, as the hub sees it: a process, a channel, and connections on their way.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.workers.balance import Load
from aerostack.workers.channel import Channel, Overrun
from aerostack.workers.descriptors import DescriptorSender, socketPair
from aerostack.workers.frames import Beat, Codec, LogLine, Ready
from aerostack.workers.logs import relay
from aerostack.workers.pipe import Pipe

CHANNEL, DESCRIPTORS = 3, 4
"""The descriptors that a worker inherits, beside its output."""

MAX_LINE = 8192
"""How many bytes of a line of a worker's output are logged."""

PATIENCE = 1.0
"""Seconds that a worker has to end by itself, when it has lost its channel."""

_OURS = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
_LISTEN = "LISTEN_"


def environment(inherited: Mapping[str, str], path: Sequence[str], folder: str) -> dict[str, str]:
    """
    What a worker has in its environment: what the hub has, without what systemd says to the hub.

    @param inherited: The hub's environment.
    @param path: Where the hub finds its modules (L{sys.path}).  The worker finds the same.
    @param folder: The hub's working directory.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if name not in _OURS and not name.startswith(_LISTEN)
    }
    kept["PYTHONPATH"] = os.pathsep.join(os.path.join(folder, entry) for entry in path)
    return kept


class ProcessUser(Protocol):
    """
    What a worker's process reports to.
    """

    def ready(self, worker: WorkerProcess) -> None:
        """The worker can serve clients."""

    def beat(self, worker: WorkerProcess, beat: Beat) -> None:
        """The worker is alive."""

    def received(self, worker: WorkerProcess, message: Any) -> None:
        """The worker has sent a message."""

    def asked(self, worker: WorkerProcess, question: Any) -> Any:
        """The worker asks; see L{aerostack.workers.channel.Receiver.asked}."""

    def ended(self, worker: WorkerProcess, reason: str) -> None:
        """The process is gone, and everything that it has sent was received."""


class _Output(ProcessProtocol):
    """
    Logs what a worker prints, which is what went wrong before or beside its log.
    """

    _log = Logger()

    def __init__(self, name: str, exited: Callable[[Failure], object]) -> None:
        self._name = name
        self._exited = exited
        self._begun = {1: b"", 2: b""}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, rest = (self._begun[childFD] + data).split(b"\n")
        if len(rest) > MAX_LINE:
            lines, rest = [*lines, rest], b""
        self._begun[childFD] = rest
        for line in lines:
            self._write(line)

    def childConnectionLost(self, childFD: int) -> None:
        self._write(self._begun.pop(childFD, b""))

    def processExited(self, reason: Failure) -> None:
        self._exited(reason)

    def _write(self, line: bytes) -> None:
        text = line[:MAX_LINE].decode("utf-8", "backslashreplace").rstrip()
        if text:
            self._log.warn("{worker} printed: {log_text}", worker=self._name, log_text=text)


class WorkerProcess:
    """
    One process, from its start to its end.

    @ivar name: The worker's name, which its successor has as well.
    @ivar pid: The process.
    @ivar channel: Carries messages to the worker.
    @ivar sender: Carries connections to the worker.
    @ivar load: How much it has to do.
    @ivar last: Its last heartbeat, if it has sent one.
    """

    def __init__(
        self,
        reactor: Any,
        name: str,
        body: str,
        codec: Codec,
        user: ProcessUser,
        sent: Callable[[], object],
        budget: float,
    ) -> None:
        """
        Start a process.

        @param body: What the worker does: C{module:function}, called with a
            L{aerostack.workers.worker.main.Worker}.
        @param sent: See L{DescriptorSender}.
        @param budget: See L{Channel}.
        @raise OSError: The system has no process, no descriptor or no memory left.
        """
        self.name = name
        self.last: Beat | None = None
        self._user = user
        # Why the hub has killed it, if it has.
        self._killed: str | None = None
        # Why the process has ended, and whether the channel has.
        self._status: str | None = None
        self._lost = False
        self._killing: Any = None
        self._reactor = reactor
        own, theirs = socket.socketpair()
        with theirs:
            try:
                passing, taking = socketPair()
            except OSError:
                own.close()
                raise
            with taking:
                try:
                    self._process = self._spawn(reactor, body, theirs, taking)
                except OSError:
                    own.close()
                    passing.close()
                    raise
        self.pid: int = self._process.pid
        self.load = Load(name, reactor.seconds())
        self.sender = DescriptorSender(reactor, passing, sent)
        self.channel = Channel(reactor, Pipe(reactor, own), codec, self, budget)
        self.channel.start()

    def _spawn(
        self, reactor: Any, body: str, channel: socket.socket, descriptors: socket.socket
    ) -> Any:
        # The worker's modules come from the hub's path alone, not from the folder it runs in.
        command = (sys.executable, "-P", "-m", "aerostack.workers", self.name, body)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return reactor.spawnProcess(
                _Output(self.name, self._exited),
                sys.executable,
                (*command, str(os.getpid())),
                environment(os.environ, sys.path, os.getcwd()),
                childFDs={
                    0: null,
                    1: "r",
                    2: "r",
                    CHANNEL: channel.fileno(),
                    DESCRIPTORS: descriptors.fileno(),
                },
            )
        finally:
            os.close(null)

    def kill(self, reason: str) -> None:
        """
        End the process at once.

        @param reason: Why, for the log.
        """
        if self._killed is None:
            self._killed = reason
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")

    # Receiver

    def received(self, message: Any) -> None:
        kind = type(message)
        if kind is Beat:
            self.last = message
            self._user.beat(self, message)
        elif kind is LogLine:
            relay(self.name, message)
        elif kind is Ready:
            self._user.ready(self)
        else:
            self._user.received(self, message)

    def asked(self, question: Any) -> Any:
        return self._user.asked(self, question)

    def lost(self, reason: Failure) -> None:
        self._lost = True
        if reason.check(Overrun):
            self.kill(reason.getErrorMessage())
        elif self._status is None:
            # Without its channel a worker ends by itself, unless it cannot.
            self._killing = self._reactor.callLater(
                PATIENCE, self.kill, "it has lost its channel, and did not end"
            )
        self._end()

    def _exited(self, reason: Failure) -> None:
        error = reason.value
        self._status = "it has ended by itself"
        if isinstance(error, ProcessTerminated):
            self._status = (
                f"it has ended with status {error.status >> 8}"
                if error.signal is None
                else f"signal {error.signal} has ended it"
            )
        self._end()

    def _end(self) -> None:
        if self._lost and self._status is not None:
            if self._killing is not None and self._killing.active():
                self._killing.cancel()
            self._user.ended(self, self._killed or self._status)
