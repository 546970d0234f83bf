"""
Tests for L{aerostack.net.http.lobby}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.http.lobby import Lobby
from aerostack.settings.limits import LimitsConfig


class Visitor:
    """
    A connection, which notes what becomes of it.
    """

    answering = False
    waiting = False

    def __init__(self) -> None:
        self.told: list[str] = []

    def expire(self) -> None:
        self.told.append("late")

    def turnAway(self) -> None:
        self.told.append("turned away")


class Gate:
    """
    An entrance.

    @ivar told: What it was told, in order.
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")


class CrowdTests(SynchronousTestCase):
    """
    Tests for very many connections that come at once.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.lobby = Lobby(self.clock, LimitsConfig(connections=1000))
        self.gate = Gate()
        self.lobby.entrances.append(self.gate)

    def welcome(self, count: int) -> list[Visitor]:
        """
        Let connections come.
        """
        visitors = [Visitor() for _ in range(count)]
        for visitor in visitors:
            self.lobby.welcome(visitor, 10.0)
        return visitors

    def test_read(self) -> None:
        """
        While nothing was read of more than half of the connections that there may be, no more are
        accepted.
        """
        visitors = self.welcome(50)
        self.assertEqual(self.gate.told, [])
        visitors += self.welcome(5)
        self.assertEqual(self.gate.told, ["pause"])
        for visitor in visitors[:4]:
            self.lobby.greet(visitor)
        self.assertEqual(self.gate.told, ["pause"])
        self.lobby.leave(visitors[4])
        self.assertEqual(self.gate.told, ["pause", "resume"])
        self.clock.advance(0.05)
        self.assertEqual(self.gate.told, ["pause", "resume"])

    def test_silent(self) -> None:
        """
        Connections on which nothing comes hold the others up for at most 20 ms.
        """
        silent = self.welcome(60)
        self.clock.advance(0.015)
        self.assertEqual(self.gate.told, ["pause"])
        self.clock.advance(0.005)
        self.assertEqual(self.gate.told, ["pause", "resume"])
        silent += self.welcome(41)
        self.assertEqual(self.gate.told, ["pause", "resume", "pause"])
        self.assertEqual(silent[0].told, ["turned away"])
        for visitor in silent:
            self.lobby.leave(visitor)
        self.assertEqual(self.gate.told, ["pause", "resume"] * 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_behind(self) -> None:
        """
        While as many wait for the daemon, for their share of a turn or for a place, none are
        accepted for longer.
        """
        visitors = self.welcome(51)
        for visitor in visitors[:20]:
            visitor.waiting = True
        for visitor in visitors[20:]:
            self.lobby.greet(visitor)
            self.lobby.awaitPlace(visitor)
        self.assertEqual(self.gate.told[-1], "resume")
        visitors += self.welcome(1)
        self.clock.advance(0.1)
        self.assertEqual(self.gate.told[-1], "pause")
        self.lobby.leave(visitors[20])
        self.lobby.enter(visitors[21])
        self.clock.advance(0.02)
        self.assertEqual(self.gate.told[-1], "resume")
        for visitor in visitors:
            self.lobby.leave(visitor)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_opened(self) -> None:
        """
        Connections that got their places at once do not count.
        """
        for visitor in self.welcome(50) + self.welcome(50):
            self.lobby.greet(visitor)
            self.lobby.leave(visitor)
            self.lobby.awaitPlace(visitor)
        self.gate.told.clear()
        self.welcome(50)
        self.assertEqual(self.gate.told, [])

    def test_waiting(self) -> None:
        """
        A connection whose bytes are not looked at yet is neither dropped for another one nor late.
        """
        visitors = self.welcome(100)
        for visitor in visitors[:60]:
            visitor.waiting = True
        self.welcome(1)
        self.assertEqual(visitors[60].told, ["turned away"])
        self.clock.advance(10)
        self.assertEqual({name for each in visitors[:60] for name in each.told}, set())
        self.assertEqual(visitors[61].told, ["late"])
        self.assertEqual(self.lobby.greet(visitors[0]), 0.0)


class SilentTests(SynchronousTestCase):
    """
    Tests for connections on which nothing comes.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.lobby = Lobby(self.clock, LimitsConfig())

    def welcome(self, patience: float = 10.0) -> Visitor:
        """
        Let a connection come.
        """
        visitor = Visitor()
        self.lobby.welcome(visitor, patience)
        return visitor

    def test_late(self) -> None:
        """
        Each connection has the whole time-out, and is late only once.
        """
        first = self.welcome()
        self.clock.advance(4)
        second = self.welcome()
        self.clock.advance(5.9)
        self.assertEqual((first.told, second.told), ([], []))
        self.clock.advance(0.1)
        self.assertEqual((first.told, second.told), (["late"], []))
        self.clock.advance(3.9)
        self.assertEqual(second.told, [])
        self.clock.advance(0.1)
        self.assertEqual((first.told, second.told), (["late"], ["late"]))

    def test_greeted(self) -> None:
        """
        A connection on which bytes have come has the rest of the time, and the lobby watches it no
        longer.
        """
        visitor, other = self.welcome(), self.welcome()
        self.clock.advance(3)
        self.assertEqual(self.lobby.greet(visitor), 7.0)
        self.clock.advance(7)
        self.assertEqual((visitor.told, other.told), ([], ["late"]))

    def test_noTime(self) -> None:
        """
        A connection whose time was over before its bytes were looked at has no time left.
        """
        visitor = self.welcome()
        self.lobby.leave(visitor)
        self.assertEqual(self.lobby.greet(visitor), 0.0)

    def test_timer(self) -> None:
        """
        There is one timer for all connections, and none if none of them is silent.
        """
        visitors = [self.welcome() for _ in range(5)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for visitor in visitors[:3]:
            self.lobby.greet(visitor)
        self.lobby.leave(visitors[3])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.lobby.leave(visitors[4])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        late = self.welcome()
        self.clock.advance(10)
        self.assertEqual((late.told, self.clock.getDelayedCalls()), (["late"], []))
        self.lobby.leave(late)

    def test_shorter(self) -> None:
        """
        After a reload with a shorter time-out, no connection waits longer than before.
        """
        first = self.welcome(10)
        second = self.welcome(1)
        self.clock.advance(10)
        self.assertEqual((first.told, second.told), (["late"], ["late"]))
