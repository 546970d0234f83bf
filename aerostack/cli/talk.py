"""
Runs commands that use a WebSocket.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import react

from aerostack.cli.interrupts import SIGNALS, Interrupted, endAtOnce
from aerostack.cli.options import CommandError
from aerostack.cli.reach import Reach
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from aerostack.process.steady import makeSteady

T = TypeVar("T")

Talk = Callable[[Any, RealtimeClient], Awaitable[None]]
"""Takes the reactor and a client that has not started yet."""


def talk(daemon: Reach, maxRetries: int | None, body: Talk) -> None:
    """
    Run a reactor and a client until a command is done.

    @param maxRetries: How many attempts in a row may fail after the first.
    @raise CommandError: What it raised.
    @raise ClientError: What it raised.
    @raise ValueError: What it raised.
    @raise Interrupted: A signal has ended it.
    """
    faults: list[Exception] = []
    interrupts: list[int] = []

    def stop(client: RealtimeClient) -> Deferred[None]:
        return client.stopService() if client.running else succeed(None)

    def takeSignals(reactor: Any) -> None:
        def interrupt(number: int, frame: FrameType | None) -> None:
            interrupts.append(number)
            # The second one ends the process at once.
            endAtOnce()
            reactor.callFromThread(halt)

        def halt() -> None:
            # The command may have come to its end at the same moment.
            with suppress(ReactorNotRunning):
                reactor.stop()

        for number in SIGNALS:
            signal.signal(number, interrupt)

    async def run(reactor: Any) -> None:
        makeSteady(reactor)
        # The reactor takes the signals when it starts.
        reactor.callWhenRunning(takeSignals, reactor)
        try:
            client = daemon.client(reactor, maxRetries)
            # A signal ends the command: the lost connection is nothing to report.
            reactor.addSystemEventTrigger("before", "shutdown", stop, client)
            try:
                await body(reactor, client)
            finally:
                await stop(client)
        except (CommandError, ClientError, ValueError) as error:
            faults.append(error)

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as end:
        if end.code and not faults and not interrupts:
            raise
    if interrupts:
        raise Interrupted(interrupts[0])
    if faults:
        raise faults[0]


def within(reactor: Any, seconds: float, waiting: Deferred[T]) -> Deferred[T]:
    """
    Wait for a result, up to a time-out.
    """

    def late(result: Any, timeout: float) -> Any:
        raise CommandError(f"no answer came within {timeout:g} seconds")

    return waiting.addTimeout(seconds, reactor, onTimeoutCancel=late)
