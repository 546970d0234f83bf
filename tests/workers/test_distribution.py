"""
Tests for L{aerostack.workers.distribution}.
"""

from __future__ import annotations

import socket
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.balance import Load
from aerostack.workers.descriptors import Arrival, DescriptorSender
from aerostack.workers.distribution import MAX_WAITING, Distribution

ARRIVAL = Arrival(0, "", 0)
WHILE = 5.0
"""Seconds for which connections wait."""


class FakeConnection:
    """
    A connection that somebody may close.
    """

    def __init__(self) -> None:
        self.isClosed = False

    def close(self) -> None:
        self.isClosed = True


class FakeSender:
    """
    Carries connections to a worker that takes all of them.
    """

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def __len__(self) -> int:
        return 0

    def send(self, connection: Any, arrival: Arrival) -> None:
        self.sent.append(connection)

    def close(self) -> list[Any]:
        return []


class FakePort:
    """
    A listener.
    """

    def __init__(self) -> None:
        self.isPaused = False

    def pause(self) -> None:
        self.isPaused = True

    def resume(self) -> None:
        self.isPaused = False


class DistributionTests(SynchronousTestCase):
    """
    Tests for L{Distribution}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.distribution = Distribution(self.clock)
        self.port = FakePort()
        self.distribution.ports.append(cast(Any, self.port))
        self.senders: dict[str, FakeSender] = {}
        self.loads: dict[str, Load] = {}

    def add(self, name: str) -> None:
        """
        Let a worker serve.
        """
        sender = self.senders[name] = FakeSender()
        load = self.loads[name] = Load(name, self.clock.seconds())
        self.distribution.add(name, load, cast(DescriptorSender, sender))

    def take(self, count: int) -> list[FakeConnection]:
        """
        Accept connections.
        """
        accepted = [FakeConnection() for _ in range(count)]
        for each in accepted:
            self.distribution.take(cast(socket.socket, each), ARRIVAL)
        return accepted

    def shares(self) -> dict[str, int]:
        """
        How many connections each worker got.
        """
        return {name: len(sender.sent) for name, sender in self.senders.items()}

    def test_begin(self) -> None:
        """
        The worker that serves first does not get the others' connections, however long these take
        within their time.
        """
        for name in "ab":
            self.distribution.expect(name, WHILE)
        self.take(1)
        self.assertTrue(self.port.isPaused)
        self.add("a")
        self.assertFalse(self.port.isPaused)
        self.take(9)
        self.assertEqual(self.shares(), {"a": 5})
        self.clock.advance(WHILE - 1)
        self.loads["a"].beat(self.clock.seconds(), 5, 5)
        self.take(2)
        self.add("b")
        self.assertEqual(self.shares(), {"a": 6, "b": 6})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_death(self) -> None:
        """
        Clients that come back while a worker is started anew wait for it.
        """
        for name in "ab":
            self.add(name)
        self.take(20)
        self.distribution.remove("a")
        self.distribution.expect("a", WHILE)
        self.take(10)
        self.assertEqual(self.shares(), {"a": 10, "b": 10})
        self.add("a")
        self.assertEqual(self.shares(), {"a": 10, "b": 10})
        self.take(2)
        self.assertEqual(self.shares(), {"a": 11, "b": 11})

    def test_late(self) -> None:
        """
        If the new worker takes too long, the others get what has waited for it, and what comes.
        """
        self.add("b")
        self.distribution.expect("a", WHILE)
        self.take(2)
        self.assertEqual(self.shares(), {"b": 1})
        self.clock.advance(WHILE)
        self.assertEqual(self.shares(), {"b": 2})
        self.take(1)
        self.assertEqual(self.shares(), {"b": 3})
        self.add("a")
        self.take(1)
        self.assertEqual(self.shares(), {"a": 1, "b": 3})

    def test_ended(self) -> None:
        """
        If the new worker dies before it serves, the others get what has waited for it.
        """
        self.add("b")
        self.distribution.expect("a", WHILE)
        self.take(2)
        self.distribution.remove("a")
        self.assertEqual(self.shares(), {"b": 2})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bound(self) -> None:
        """
        Only so many connections wait for a worker; the next ones are not accepted until it serves.
        """
        self.add("b")
        self.distribution.expect("a", WHILE)
        self.take(2 * MAX_WAITING)
        self.assertFalse(self.port.isPaused)
        self.take(2)
        self.assertTrue(self.port.isPaused)
        self.add("a")
        self.assertFalse(self.port.isPaused)

    def test_close(self) -> None:
        """
        What waits for a worker is closed when the daemon stops.
        """
        self.add("b")
        self.distribution.expect("a", WHILE)
        first, second = self.take(2)
        self.distribution.close()
        self.assertEqual((first.isClosed, second.isClosed), (False, True))
        self.assertEqual(self.clock.getDelayedCalls(), [])
