"""
A connection whose transports end in the test.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.closing import Closing, broken
from aerostack.client.connection import (
    Connection,
    IConnectionUser,
)
from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame, Head
from aerostack.client.interfaces import ITransport

BACKOFF = 0.75
"""Seconds before the first new attempt, if the daemon did not say when, without jitter."""

ADDRESS = Address("ws://h", token="old")


@implementer(ITransport)
class Transport:
    """
    A transport whose other end is the test.
    """

    def __init__(self, address: Address, user: Any) -> None:
        self.address = address
        self.user = user
        self.did: list[Any] = []

    def open(self) -> None:
        self.did.append("open")

    def send(self, payload: bytes) -> None:
        self.did.append(json.loads(payload))

    def close(self, code: int, reason: str) -> None:
        self.did.append(code)
        self.user.closeStarted()

    def abort(self) -> None:
        self.did.append("abort")


@implementer(IConnectionUser)
class User:
    """
    A user that records its calls.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.finds = True

    def statusChanged(self, status: str) -> None:
        self.told.append(status)

    def opened(self) -> None:
        self.told.append("opened")

    def received(self, head: Head, frame: Frame) -> None:
        self.told.append(frame)

    def tooLarge(self, most: int | None) -> bool:
        self.told.append(("too large", most))
        return self.finds

    def unreadable(self, error: ClientError, head: Head) -> None:
        self.told.append((error.code, head.type, head.pos))

    def closed(self, error: ClientError) -> None:
        self.told.append(("closed", error.code))

    def gaveUp(self, error: ClientError, exhausted: bool) -> None:
        self.told.append(("gave up", error.code, exhausted))


class ConnectionTestCase(SynchronousTestCase):
    """
    A connection whose transports end in the test.
    """

    maxRetries: int | None = None

    def setUp(self) -> None:
        self.clock = Clock()
        self.user = User()
        self.transports: list[Transport] = []
        self.connection = Connection(
            self.clock, self.connect, ADDRESS, self.user, self.maxRetries, jitter=lambda: 0.0
        )

    def connect(self, address: Address, user: Any) -> Transport:
        self.transports.append(Transport(address, user))
        return self.transports[-1]

    @property
    def transport(self) -> Transport:
        """The newest transport."""
        return self.transports[-1]

    def told(self) -> list[Any]:
        """
        The calls of the user since the last call of this method.
        """
        told, self.user.told = self.user.told, []
        return told

    def begin(self) -> Transport:
        """
        Open the connection.
        """
        self.connection.start()
        self.connection.opened()
        self.told()
        return self.transport

    def lose(self, closing: Closing | None = None) -> None:
        """
        End the transport.
        """
        self.connection.closed(closing or broken("Gone."))

    def hear(self, **frame: Any) -> None:
        """
        Let the client receive a frame.
        """
        self.connection.received(json.dumps(frame).encode())

    def assertBack(self, seconds: float) -> None:
        """
        Assert that the next attempt begins after a time, and not before.
        """
        attempts = len(self.transports)
        self.clock.advance(seconds - 0.001)
        self.assertEqual(len(self.transports), attempts)
        self.clock.advance(0.002)
        self.assertEqual(len(self.transports), attempts + 1)
