"""
Tests for L{aerostack.process.polling}.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from aerostack.process import polling
from aerostack.process.polling import boundPolling


@implementer(IReadDescriptor)
class Reader:
    """
    A socket that always has something to read.

    @ivar onRead: Is called at each read.
    """

    def __init__(self, onRead: Callable[[], object] = list) -> None:
        self.reads = 0
        self.onRead = onRead
        self.ours, self.theirs = socket.socketpair()
        self.theirs.send(b"x")

    def fileno(self) -> int:
        return self.ours.fileno()

    def doRead(self) -> None:
        self.reads += 1
        self.onRead()

    def logPrefix(self) -> str:
        return "reader"

    def connectionLost(self, reason: object) -> None:
        """There is no connection."""

    def close(self) -> None:
        """Be gone."""
        self.ours.close()
        self.theirs.close()


class PollingTests(SynchronousTestCase):
    """
    Tests for L{boundPolling}.
    """

    def makeReactor(self) -> Any:
        """
        Make a reactor whose turns are bounded.
        """
        reactor = EPollReactor()
        self.addCleanup(reactor._poller.close)
        boundPolling(reactor)
        return reactor

    def read(self, reactor: Any, reader: Reader) -> None:
        """
        Let a reactor read from a socket.
        """
        self.addCleanup(reader.close)
        reactor.addReader(reader)

    def test_turns(self) -> None:
        """
        One turn serves a bounded number of sockets, and the next turn serves those that have
        waited.
        """
        self.patch(polling, "MOST", 5)
        reactor = self.makeReactor()
        readers = [Reader() for _ in range(20)]
        for reader in readers:
            self.read(reactor, reader)
        served = []
        for _ in range(4):
            reactor.doIteration(0)
            served.append(sum(reader.reads for reader in readers))
        self.assertEqual(served, [5, 10, 15, 20])
        self.assertEqual({reader.reads for reader in readers}, {1})

    def test_closed(self) -> None:
        """
        A socket that another one of the same turn has closed is not served.
        """
        reactor = self.makeReactor()
        readers: list[Reader] = []

        def closeOthers() -> None:
            for each in readers:
                if not each.reads:
                    reactor.removeReader(each)

        readers += [Reader(closeOthers) for _ in range(3)]
        for reader in readers:
            self.read(reactor, reader)
        reactor.doIteration(0)
        self.assertEqual(sorted(reader.reads for reader in readers), [0, 0, 1])

    def test_failing(self) -> None:
        """
        An error of one socket is logged, and the others are served all the same.
        """

        class Failing(Reader):
            def connectionLost(self, reason: object) -> None:
                raise LookupError("on purpose")

        reactor = self.makeReactor()
        good = [Reader() for _ in range(3)]
        bad = Failing()
        for reader in (good[0], bad, *good[1:]):
            self.read(reactor, reader)
        bad.onRead = lambda: 1 / 0
        reactor.doIteration(0)
        self.assertEqual([reader.reads for reader in good], [1, 1, 1])
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_turnEnd(self) -> None:
        """
        A function that is to be called at the end of the turn is called when all sockets of the
        turn are served, without a timer.
        """
        reactor = self.makeReactor()
        served: list[str] = []

        def serve() -> None:
            served.append("socket")
            if served == ["socket"]:
                reactor.callAtTurnEnd(lambda: served.append("end"))

        for _ in range(3):
            self.read(reactor, Reader(serve))
        reactor.doIteration(0)
        self.assertEqual(served, ["socket", "socket", "socket", "end"])
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_turnEndLater(self) -> None:
        """
        A function that a timer, or the end of a turn, wants to have called at the end of the turn
        is called soon.
        """
        reactor = self.makeReactor()
        called: list[str] = []

        def end() -> None:
            called.append("end")
            reactor.callAtTurnEnd(lambda: called.append("again"))

        reactor.callAtTurnEnd(end)
        self.assertEqual(called, [])
        reactor.runUntilCurrent()
        self.assertEqual(called, ["end"])
        reactor.runUntilCurrent()
        self.assertEqual(called, ["end", "again"])

    def test_failingEnd(self) -> None:
        """
        An error of one function at the end of the turn is logged, and the others are called.
        """
        reactor = self.makeReactor()
        called: list[str] = []

        def serve() -> None:
            reactor.callAtTurnEnd(lambda: 1 / 0)
            reactor.callAtTurnEnd(lambda: called.append("end"))

        self.read(reactor, Reader(serve))
        reactor.doIteration(0)
        self.assertEqual(called, ["end"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_others(self) -> None:
        """
        A reactor without epoll is left as it is.
        """
        reactor = SelectReactor()
        before = dict(vars(reactor))
        boundPolling(reactor)
        self.assertEqual(vars(reactor), before)
