"""
Tests for L{aerostack.process.stopping}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.draining import LONGEST
from aerostack.process import logfile
from aerostack.process.stopping import AGAIN, CLIENTS, DATABASE, ORDERLY, PROCESS, bounded
from aerostack.sessions import draining


class BoundedTests(SynchronousTestCase):
    """
    Tests for L{bounded}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.cuts: list[tuple[str, float]] = []

    def cut(self, name: str) -> None:
        self.cuts.append((name, self.clock.seconds()))

    def begin(self, stop: Deferred[None]) -> Deferred[None]:
        return bounded(
            self.clock, lambda: stop, lambda: self.cut("clients"), lambda: self.cut("database")
        )

    def test_atOnce(self) -> None:
        """
        A stop is over when it ends, and nothing is cut later.
        """
        self.successResultOf(self.begin(succeed(None)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_clients(self) -> None:
        """
        Clients that stay are dropped, and the stop then ends.
        """
        stop: Deferred[None] = Deferred()
        ending = self.begin(stop)
        self.clock.advance(CLIENTS)
        self.assertEqual(self.cuts, [("clients", CLIENTS)])
        stop.callback(None)
        self.successResultOf(ending)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_database(self) -> None:
        """
        The calls of a database that does not answer are given up, again and again.
        """
        stop: Deferred[None] = Deferred()
        ending = self.begin(stop)
        self.clock.pump([DATABASE, AGAIN, AGAIN])
        times = [at for name, at in self.cuts if name == "database"]
        self.assertEqual(times, [DATABASE, DATABASE + AGAIN, DATABASE + 2 * AGAIN])
        stop.callback(None)
        self.successResultOf(ending)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_never(self) -> None:
        """
        A stop that would wait for ever is over at the bound.
        """
        ending = self.begin(Deferred())
        self.clock.pump([1.0] * int(ORDERLY - 1))
        self.assertNoResult(ending)
        self.clock.advance(1.0)
        self.successResultOf(ending)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_fails(self) -> None:
        """
        The failure of a stop reaches the caller.
        """
        self.failureResultOf(self.begin(fail(ZeroDivisionError())), ZeroDivisionError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_sum(self) -> None:
        """
        Clients hear of the stop before anything is cut.  The cuts come in their order, and all of
        it takes less than 11 seconds.
        """
        told = LONGEST + draining.PATIENCE
        ends = [told, CLIENTS, DATABASE, ORDERLY, PROCESS, PROCESS + logfile.PATIENCE, 11.0]
        self.assertEqual(sorted(set(ends)), ends)
