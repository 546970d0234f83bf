"""
Runs commands that use a WebSocket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import react

from aerostack.cli.options import CommandError
from aerostack.client.address import Address
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from aerostack.process.steady import makeSteady

T = TypeVar("T")

Talk = Callable[[Any, RealtimeClient], Awaitable[None]]
"""Takes the reactor and a client that has not started yet."""


def talk(address: Address, maxRetries: int | None, body: Talk) -> None:
    """
    Run a reactor and a client until a command is done.

    @param maxRetries: How many attempts in a row may fail after the first.
    @raise CommandError: What it raised.
    @raise ClientError: What it raised.
    @raise ValueError: What it raised.
    """
    faults: list[Exception] = []

    def stop(client: RealtimeClient) -> Deferred[None]:
        return client.stopService() if client.running else succeed(None)

    async def run(reactor: Any) -> None:
        makeSteady(reactor)
        client = RealtimeClient(
            reactor,
            address.url,
            projectId=address.projectId,
            apiKey=address.key,
            token=address.token,
            maxReconnectAttempts=maxRetries,
        )
        # A signal ends the command: the lost connection is nothing to report.
        reactor.addSystemEventTrigger("before", "shutdown", stop, client)
        try:
            await body(reactor, client)
        except (CommandError, ClientError, ValueError) as error:
            faults.append(error)
        await stop(client)

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as end:
        if end.code and not faults:
            raise
    if faults:
        raise faults[0]


def within(reactor: Any, seconds: float, waiting: Deferred[T]) -> Deferred[T]:
    """
    Wait for a result, up to a time-out.
    """

    def late(result: Any, timeout: float) -> Any:
        raise CommandError(f"no answer came within {timeout:g} seconds")

    return waiting.addTimeout(seconds, reactor, onTimeoutCancel=late)
