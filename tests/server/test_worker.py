"""
Tests for L{aerostack.server.worker}.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.server.worker import WorkerBody
from aerostack.workers.messages.serving import Setup


class BrokenDaemon:
    """
    A daemon that cannot start.

    @ivar adopting: Has the entrances of the connections that the hub passes.
    """

    def __init__(self, step: str) -> None:
        """
        @param step: The name of the method that fails.
        """
        self._step = step
        self.adopting = SimpleNamespace(lobby=SimpleNamespace(entrances=[]))

    def privilegedStartService(self) -> None:
        self._do("privilegedStartService")

    def startService(self) -> None:
        self._do("startService")

    def whenReady(self) -> Deferred[None]:
        return fail(ValueError("whenReady"))

    def _do(self, step: str) -> None:
        if step == self._step:
            raise ValueError(step)


class SetUpTests(SynchronousTestCase):
    """
    A worker that gets its configuration.
    """

    def test_broken(self) -> None:
        """
        A worker ends itself when a part of it cannot start, so that the hub starts another one.
        """
        for step in ("privilegedStartService", "startService", "whenReady"):
            clock = Clock()
            worker: Any = SimpleNamespace(reactor=clock, receiver=None)
            body = WorkerBody(worker, clock.seconds)
            self.patch(body, "_makeDaemon", lambda setup, step=step: BrokenDaemon(step))
            body.received(Setup({}, {}, False))
            (ending,) = clock.getDelayedCalls()
            self.assertEqual((ending.func.__name__, ending.args), ("_exit", (1,)))
            (failure,) = self.flushLoggedErrors(ValueError)
            self.assertEqual(failure.getErrorMessage(), step)
