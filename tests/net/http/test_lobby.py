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

    def __init__(self) -> None:
        self.told: list[str] = []

    def expire(self) -> None:
        self.told.append("late")

    def turnAway(self) -> None:
        self.told.append("turned away")


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
