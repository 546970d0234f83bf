"""
Tests for L{aerostack.workers.worker.shares} and L{aerostack.workers.hub.shares}.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IPlace, IShares
from aerostack.settings.limits import LimitsConfig
from tests.workers.linked import code, outcome
from tests.workers.sharing import ShareMachine


def attempt(call: Callable[..., Any], *args: Any) -> list[Any]:
    """
    Collect the result of a call, or its failure; the call may also raise at once.
    """
    try:
        return outcome(call(*args))
    except RealtimeError as error:
        return [Failure(error)]


class LimitTests(SynchronousTestCase):
    """
    Tests for limits, with one process and with workers.
    """

    def each(self, limits: LimitsConfig | None = None, **project: Any) -> list[ShareMachine]:
        """
        Machines with one process, one worker, and two.
        """
        return [ShareMachine(n, limits or LimitsConfig(), **project) for n in (0, 1, 2)]

    def test_connections(self) -> None:
        """
        The limits of the daemon, of an address and of the rate of openings are the same for any
        number of workers.
        """
        for limits, error in (
            (LimitsConfig(connections=5), "too_many_connections"),
            (LimitsConfig(connectionsPerAddress=5), "too_many_connections"),
            (LimitsConfig(connectionsPerSecond=1, connectionsBurst=5), "overloaded"),
        ):
            for machine in self.each(limits):
                shares = machine.shares
                results = [attempt(shares[n % len(shares)].admit, "10.0.0.1") for n in range(9)]
                machine.settle()
                codes = [code(each) for each in results]
                self.assertEqual(codes.count(None), 5, limits)
                self.assertEqual(codes.count(error), 4, limits)
                self.assertEqual(machine.counts, (5, 0, 5, 0))

    def test_project(self) -> None:
        """
        The limits of a project are the same for any number of workers.
        """
        for machine in self.each(connections=3, subscriptions=4):
            shares = machine.shares
            places = [attempt(shares[n % len(shares)].admit, None) for n in range(6)]
            machine.settle()
            entered = [attempt(each[0].enter, "p") for each in places]
            counted = [attempt(shares[n % len(shares)].subscribe, "p") for n in range(7)]
            machine.settle()
            self.assertEqual([code(e) for e in entered].count("too_many_connections"), 3)
            self.assertEqual([code(e) for e in counted].count("too_many_subscriptions"), 3)
            self.assertEqual(machine.counts, (6, 3, 0, 4))
            for each in places:
                each[0].leave()
                each[0].leave()
            shares[0].unsubscribe("p")
            machine.settle()
            self.assertEqual(machine.counts, (0, 0, 0, 3))

    def test_rate(self) -> None:
        """
        Over some time, clients at any number of workers may send as much as at one.
        """
        for machine in self.each(framesPerSecond=100.0):
            shares, taken = machine.shares, 0
            for n in range(300):
                for _ in range(5):
                    try:
                        shares[n % len(shares)].spend("p", 10, machine.clock.seconds())
                        taken += 1
                    except RealtimeError as error:
                        self.assertEqual(error.code, "rate_limited")
                        self.assertIn("may send 100 frames a second", error.message)
                machine.clock.advance(0.01)
                machine.settle()
            # Two seconds' worth at once, and that of three seconds; each worker may owe a lease.
            self.assertLessEqual(taken, 500 + 10 * len(shares))
            self.assertGreaterEqual(taken, 470)

    def test_burst(self) -> None:
        """
        The first frames of a client are within the project's burst, though its worker has had no
        client of the project before.
        """
        for machine in self.each(framesPerSecond=12.0, bytesPerSecond=1200.0):
            shares = machine.shares
            for each in shares:
                held = outcome(each.admit(None))
                machine.settle()
                outcome(held[0].enter("p"))
                machine.settle()
            for each in shares:
                for _ in range(24 // len(shares)):
                    each.spend("p", 100, machine.clock.seconds())

    def test_unlimited(self) -> None:
        """
        What has no limit is allowed at once, and counted at the hub.
        """
        machine = ShareMachine(2, LimitsConfig())
        machine.shares[0].spend("p", 10, 0.0)
        machine.shares[0].spend("absent", 10, 0.0)
        self.assertIsNone(machine.shares[0].subscribe("p"))
        machine.settle()
        self.assertEqual(machine.counts, (0, 0, 0, 1))
        machine.shares[0].unsubscribe("p")
        machine.settle()
        self.assertEqual(machine.counts, (0, 0, 0, 0))

    def test_reload(self) -> None:
        """
        A rate that is changed holds for all workers together, also if tokens were on their way.
        """
        machine = ShareMachine(2, LimitsConfig(), framesPerSecond=1000.0)
        for shares in machine.shares:
            shares.spend("p", 0, machine.clock.seconds())
        machine.reload(framesPerSecond=10.0)
        taken = 0
        for _ in range(30):
            for shares in machine.shares:
                for _ in range(20):
                    try:
                        shares.spend("p", 0, machine.clock.seconds())
                        taken += 1
                    except RealtimeError:
                        break
            machine.clock.advance(0.01)
            machine.settle()
        self.assertLessEqual(taken, 20 + 3 + 2)
        self.assertGreaterEqual(taken, 20)

    def test_provides(self) -> None:
        """
        A worker's shares and places implement their contracts.
        """
        machine = ShareMachine(1, LimitsConfig())
        verifyObject(IShares, machine.shares[0])
        place = outcome(machine.shares[0].admit(None))
        machine.settle()
        verifyObject(IPlace, place[0])


class GivingBackTests(SynchronousTestCase):
    """
    Tests for giving back.
    """

    def test_died(self) -> None:
        """
        A worker that dies gives back all it had, also what was on its way, and the others keep
        theirs.
        """
        machine = ShareMachine(2, LimitsConfig(), subscriptions=10_000)
        for shares in machine.shares:
            for _ in range(1200):
                place = outcome(shares.admit("10.0.0.1"))
                shares.subscribe("p")
            machine.settle()
            outcome(place[0].enter("p"))
        machine.settle()
        self.assertEqual(machine.counts, (2400, 2, 2400, 2400))
        outcome(machine.shares[0].admit("10.0.0.1"))
        machine.linked.kill(0)
        machine.settle()
        self.assertEqual(machine.counts, (1200, 1, 1200, 1200))
        self.assertEqual(code(outcome(machine.shares[0].admit(None))), "engine_unavailable")

    def test_rate(self) -> None:
        """
        The tokens of a worker that dies go to the others.
        """
        machine = ShareMachine(2, LimitsConfig(), framesPerSecond=100.0)
        for shares in machine.shares:
            shares.spend("p", 0, machine.clock.seconds())
        machine.settle()
        machine.linked.kill(0)
        taken = 0
        for _ in range(20):
            for _ in range(200):
                try:
                    machine.shares[1].spend("p", 0, machine.clock.seconds())
                    taken += 1
                except RealtimeError:
                    break
            machine.clock.advance(0.005)
            machine.settle()
        self.assertGreaterEqual(taken, 195)

    def test_early(self) -> None:
        """
        A place that is given back while it is counted to its project does not stay counted.
        """
        machine = ShareMachine(1, LimitsConfig(), connections=1)
        held = outcome(machine.shares[0].admit(None))
        machine.settle()
        entering = outcome(held[0].enter("p"))
        held[0].leave()
        machine.settle()
        self.assertEqual(entering, [None])
        self.assertEqual(machine.counts[1], 0)
        self.assertIsNone(held[0].enter("p"))

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 3), st.randoms(use_true_random=False))
    def test_counts(self, workers: int, random: Random) -> None:
        """
        Whatever is asked and given back, the counts are those of what is held, and within the
        limits.
        """
        machine = ShareMachine(workers, LimitsConfig(connections=6), connections=4, subscriptions=5)
        places: list[list[Any]] = []
        entered: list[tuple[Any, list[Any]]] = []
        counted: list[tuple[Any, list[Any]]] = []
        for _ in range(random.randint(1, 40)):
            shares = random.choice(machine.shares)
            granted = [each[0] for each in places if each and code(each) is None]
            held = [pair for pair in counted if pair[1] and code(pair[1]) is None]
            match random.randrange(6):
                case 0:
                    places.append(attempt(shares.admit, "a"))
                case 1 if granted:
                    place = granted[0]
                    if all(place is not each for each, _ in entered):
                        entered.append((place, attempt(place.enter, "p")))
                case 2 if granted:
                    granted[-1].leave()
                    places = [each for each in places if not each or each[0] is not granted[-1]]
                    entered = [each for each in entered if each[0] is not granted[-1]]
                case 3:
                    counted.append((shares, attempt(shares.subscribe, "p")))
                case 4 if held:
                    held[0][0].unsubscribe("p")
                    counted.remove(held[0])
                case 5:
                    machine.clock.advance(0)
        machine.settle()

        def countGranted(results: list[list[Any]]) -> int:
            return sum(code(each) is None for each in results)

        expected = (
            countGranted(places),
            countGranted([each for _, each in entered]),
            countGranted(places),
            countGranted([each for _, each in counted]),
        )
        self.assertEqual(machine.counts, expected)
        for count, most in zip(expected, (6, 4, 6, 5), strict=True):
            self.assertLessEqual(count, most)
