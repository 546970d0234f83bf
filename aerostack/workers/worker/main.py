"""
The inside of a worker's process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.task import LoopingCall
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from aerostack.workers.channel import Channel
from aerostack.workers.descriptors import Arrival, DescriptorReceiver
from aerostack.workers.frames import Beat, Codec, Ready
from aerostack.workers.logs import LogForwarder
from aerostack.workers.pipe import Pipe
from aerostack.workers.process import CHANNEL, DESCRIPTORS
from aerostack.workers.worker.memory import residentMemory

INTERVAL = 1.0
"""Seconds between two heartbeats."""

# prctl(2): which signal this process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


class Body(Protocol):
    """
    What a worker does.
    """

    def received(self, message: Any) -> None:
        """Take a message of the hub."""

    def asked(self, question: Any) -> Any:
        """Answer the hub; see L{aerostack.workers.channel.Receiver.asked}."""

    def adopt(self, connection: socket.socket, arrival: Arrival) -> object:
        """Serve a connection, as L{aerostack.workers.accepting.adoptConnection} does."""

    def connections(self) -> int:
        """How many connections the worker has."""


class Worker:
    """
    This process's part of what connects it to the hub.  It is handed to the function that the hub
    has named, which calls L{open} before it returns.

    @ivar name: The worker's name.
    @ivar receiver: Receives the connections.
    """

    def __init__(
        self,
        reactor: Any,
        name: str,
        channel: socket.socket,
        descriptors: socket.socket,
        end: Callable[[], object],
    ) -> None:
        """
        @param channel: Connected to the hub, for messages.
        @param descriptors: Connected to the hub, for connections.
        @param end: Ends the process, because the hub is gone.
        """
        self.name = name
        self.reactor = reactor
        self._sockets = channel, descriptors
        self._end = end

    def open(self, kinds: Sequence[type[Struct]], body: Body, level: str = "info") -> Channel:
        """
        Begin to talk to the hub.

        @param kinds: See L{Codec}; the hub has the same.
        @param level: The name of the least important level of log events that the hub gets.
        @return: The channel to the hub.
        """
        channel, descriptors = self._sockets
        self._body = body
        self.receiver = DescriptorReceiver(self.reactor, descriptors, body.adopt)
        self.channel = Channel(self.reactor, Pipe(self.reactor, channel), Codec(kinds), self)
        self._forwarder = LogForwarder(self.channel, level)
        globalLogBeginner.beginLoggingTo([self._forwarder], redirectStandardIO=False)
        self.channel.start()
        beating = LoopingCall(self._beat)
        beating.clock = self.reactor
        self._due = self.reactor.seconds()
        beating.start(INTERVAL)
        return self.channel

    def setLogLevel(self, level: str) -> None:
        """
        Send log events of this level, and of more important ones, from now on.
        """
        self._forwarder.setLevel(level)

    def ready(self) -> None:
        """
        Receive connections from now on.
        """
        self.receiver.start()
        self.channel.send(Ready())

    def _beat(self) -> None:
        now = self.reactor.seconds()
        lag = max(0.0, now - self._due)
        self._due = now + INTERVAL
        self.channel.send(
            Beat(
                self._body.connections(),
                self.receiver.received,
                lag,
                time.process_time(),
                residentMemory(),
            )
        )

    # Receiver

    def received(self, message: Any) -> None:
        self._body.received(message)

    def asked(self, question: Any) -> Any:
        return self._body.asked(question)

    def lost(self, reason: Failure) -> None:
        self._end()


def _dieWith(parent: int) -> None:
    """
    Have the system kill this process when the hub ends, however busy this process is.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # The hub has ended before that call.
        os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """
    Run a worker, until the hub ends it or is gone.

    @param arguments: The worker's name, C{module:function} of what it does, and the hub's process.
    """
    name, body, parent = arguments
    # The hub gets these signals too, and says what they mean for the workers.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _dieWith(int(parent))
    channel, descriptors = socket.socket(fileno=CHANNEL), socket.socket(fileno=DESCRIPTORS)
    for inherited in (channel, descriptors):
        inherited.set_inheritable(False)
    from twisted.internet import reactor

    running: Any = reactor
    worker = Worker(running, name, channel, descriptors, lambda: os._exit(0))
    module, _, function = body.partition(":")
    getattr(import_module(module), function)(worker)
    # With its own signal handlers, the reactor would stop at SIGTERM.
    running.run(installSignalHandlers=False)
