"""
What workers do in tests.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger

from aerostack.workers.accepting import adoptConnection
from aerostack.workers.descriptors import Arrival
from aerostack.workers.worker.main import Worker
from tests.workers.samples import KINDS, Note, Values


class Named(Protocol):
    """
    Tells each client which process serves it, and counts the clients.
    """

    factory: Any

    def connectionMade(self) -> None:
        self.factory.count += 1
        transport: Any = self.transport
        transport.write(b"%d\n" % os.getpid())

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.count -= 1


def beBusy() -> None:
    """
    Never return to the reactor.
    """
    while True:
        time.sleep(0.01)


class Obedient:
    """
    Does what each message says.
    """

    log = Logger()

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._factory: Any = Factory.forProtocol(Named)
        self._factory.noisy = False
        self._factory.count = 0

    def received(self, message: Note) -> None:
        if message.text == "exit":
            # What this turn has sent goes first.
            self._worker.reactor.callLater(0, os._exit, 3)
        elif message.text == "print":
            print("bare words", file=sys.stderr, flush=True)
        elif message.text == "log":
            self.log.info("told to log {what}", what="this", connection="c1")
        elif message.text == "be busy":
            self._worker.reactor.callLater(0, beBusy)
        else:
            self._worker.channel.send(message)

    def asked(self, question: Note) -> Any:
        if question.text == "descriptors":
            return Values(sorted(os.listdir("/proc/self/fd")))
        if question.text == "arguments":
            return Values([sys.argv, dict(os.environ)])
        if question.text == "signals":
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
            return Note("alive")
        return question

    def adopt(self, connection: socket.socket, arrival: Arrival) -> None:
        adoptConnection(self._worker.reactor, connection, self._factory)

    def connections(self) -> int:
        count: int = self._factory.count
        return count


def obedient(worker: Worker) -> None:
    """
    Do what the hub says.
    """
    worker.open(KINDS, Obedient(worker))
    worker.ready()


def hopeless(worker: Worker) -> None:
    """
    Fail at once.
    """
    raise RuntimeError("this body is broken")
