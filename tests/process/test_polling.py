"""
Tests for L{aerostack.process.polling}.
"""

from __future__ import annotations

import socket

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
    """

    def __init__(self) -> None:
        self.reads = 0
        self.ours, self.theirs = socket.socketpair()
        self.theirs.send(b"x")

    def fileno(self) -> int:
        return self.ours.fileno()

    def doRead(self) -> None:
        self.reads += 1

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
    Tests for L{boundPolling}, with turns of five sockets.
    """

    def test_turns(self) -> None:
        """
        One turn serves a bounded number of sockets, and the next turn serves those that have
        waited.
        """
        self.patch(polling, "MOST", 5)
        reactor = EPollReactor()
        self.addCleanup(reactor._poller.close)
        boundPolling(reactor)
        readers = [Reader() for _ in range(20)]
        for reader in readers:
            self.addCleanup(reader.close)
            reactor.addReader(reader)
        served = []
        for _ in range(4):
            reactor.doIteration(0)
            served.append(sum(reader.reads for reader in readers))
        self.assertEqual(served, [5, 10, 15, 20])
        self.assertEqual({reader.reads for reader in readers}, {1})

    def test_others(self) -> None:
        """
        A reactor without epoll is left as it is.
        """
        reactor = SelectReactor()
        before = dict(vars(reactor))
        boundPolling(reactor)
        self.assertEqual(vars(reactor), before)
