"""
Tests for L{aerostack.core.limits.settling}, and for what it lets quotas and lenders do.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.leases import NONE, Lender, Tokens
from aerostack.core.limits.quotas import BURST, Quotas
from aerostack.core.limits.settling import SETTLED, Amounts, Others, Spending, settle
from aerostack.errors import RealtimeError
from aerostack.settings.projects import ProjectConfig

RATE = 50.0


def projects(**settings: float | int) -> dict[str, ProjectConfig]:
    """
    A project C{p} with some limits.
    """
    return {"p": ProjectConfig("p", **settings)}  # type: ignore[arg-type]


class Engine:
    """
    The bucket of frames that all nodes share, as the engine keeps it.
    """

    def __init__(self) -> None:
        self.level = RATE * BURST
        self._at = 0.0

    def settle(self, spent: float, now: float) -> Amounts:
        """
        Take what a node has spent.
        """
        self.level = min(RATE * BURST, self.level + (now - self._at) * RATE) - spent
        self.level = max(self.level, -RATE * BURST)
        self._at = now
        return self.level, 0.0


class Node:
    """
    A node that settles with the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self.quotas = Quotas(projects(framesPerSecond=RATE), None)
        self.quotas.spending = self.spending = Spending()
        self.taken = 0
        self._engine = engine

    def send(self, now: float) -> bool:
        """
        Send a frame.

        @return: Whether it was taken.
        """
        try:
            self.quotas.spend("p", 1, now)
        except RealtimeError:
            return False
        self.taken += 1
        return True

    def settle(self, now: float) -> None:
        """
        Settle what was spent, if anything was.
        """
        for project, (frames, _) in self.spending.take().items():
            levels = self._engine.settle(frames, now)
            settle(self.quotas.buckets(project), levels, self.spending.of(project), now)


class RateTests(SynchronousTestCase):
    """
    Tests for the rate of several nodes.
    """

    def run_(self, count: int, seconds: float, *busy: int) -> list[int]:
        """
        Let some of several nodes send as fast as they can.

        @return: How many frames each has taken.
        """
        engine = Engine()
        nodes = [Node(engine) for _ in range(count)]
        steps = 10
        for tick in range(round(seconds / SETTLED)):
            for step in range(steps):
                now = (tick + step / steps) * SETTLED
                for number in busy:
                    while nodes[number].send(now):
                        pass
            for node in nodes:
                node.settle((tick + 1) * SETTLED)
        return [node.taken for node in nodes]

    def test_one(self) -> None:
        """A node has the whole rate while the others send nothing."""
        taken = self.run_(3, 20, 0)
        self.assertEqual(taken[1:], [0, 0])
        self.assertApproximates(taken[0], RATE * (20 + BURST), 2 * RATE * SETTLED)

    def test_all(self) -> None:
        """
        Several nodes together have one rate, in even parts; at first each may send a burst, which
        is taken from what they may send later.
        """
        for count in (2, 3, 8):
            taken = self.run_(count, 60, *range(count))
            total = sum(taken)
            # What is owed is bounded by a burst.
            most = RATE * (60 + count * BURST)
            self.assertLessEqual(total, most + count * RATE * SETTLED)
            later = sum(self.run_(count, 120, *range(count))) - total
            self.assertApproximates(later, RATE * 60, 0.05 * RATE * 60)
            self.assertLess(max(taken) - min(taken), 0.2 * total / count + RATE * BURST)

    def test_unsettled(self) -> None:
        """What was spent while the engine was asked is not given back by its answer."""
        quotas = Quotas(projects(framesPerSecond=RATE), None)
        for _ in range(30):
            quotas.spend("p", 1, 0.0)
        settle(quotas.buckets("p"), (70.0, 0.0), (20.0, 0.0), 0.0)
        frames, size = quotas.buckets("p")
        assert frames is not None
        self.assertEqual((frames.tokens, size), (50.0, None))
        # The engine has more, which was spent here.
        settle(quotas.buckets("p"), (99.0, 0.0), (0.0, 0.0), 0.0)
        self.assertEqual(frames.tokens, 50.0)

    def test_divided(self) -> None:
        """While the engine is away, a node goes by its part of each rate; then by the whole."""
        quotas = Quotas(projects(framesPerSecond=RATE, bytesPerSecond=1000.0), None)
        quotas.spend("p", 1, 0.0)
        quotas.divide(0.25, 0.0)
        frames, size = quotas.buckets("p")
        assert frames is not None
        assert size is not None
        self.assertEqual((frames.rate, frames.burst, frames.tokens), (12.5, 25.0, 25.0))
        self.assertEqual((size.rate, size.tokens), (250.0, 500.0))
        quotas.divide(1.0, 0.0)
        self.assertEqual((frames.rate, frames.burst, frames.tokens), (50.0, 100.0, 25.0))
        # A project that comes later has the part, too.
        quotas.divide(0.5, 0.0)
        quotas.reload(projects(framesPerSecond=10.0), None)
        quotas.spend("p", 1, 0.0)
        frames, _ = quotas.buckets("p")
        assert frames is not None
        self.assertEqual((frames.rate, frames.tokens), (5.0, 9.0))

    def test_without(self) -> None:
        """A project without a rate, and one that is not known, have nothing to settle."""
        quotas = Quotas({**projects(), "q": ProjectConfig("q")}, None)
        quotas.spending = Spending()
        for project in ("p", "q", "gone"):
            quotas.spend(project, 1, 0.0)
            self.assertEqual(quotas.buckets(project), (None, None))
        self.assertEqual(quotas.spending.take(), {})
        quotas.divide(0.5, 0.0)


class LenderTests(SynchronousTestCase):
    """
    Tests for a lender whose node settles.
    """

    def test_spent(self) -> None:
        """What borrowers have spent is settled, and what they hold is not."""
        lender: Lender[str] = Lender(projects(framesPerSecond=RATE))
        lender.spending = Spending()
        loan, _ = lender.lend("p", "w1", 0, NONE, Tokens(10.0, 0.0), 2, 0.0)
        self.assertEqual(lender.spending.take(), {"p": (0.0, 0.0)})
        lender.lend("p", "w1", loan.edition, Tokens(7.0, 70.0), NONE, 2, 0.0)
        lender.giveBack("p", "w1", loan.edition, Tokens(2.0, 20.0), NONE, 0.0)
        self.assertEqual(lender.spending.take(), {"p": (9.0, 90.0)})
        # Of an earlier configuration, nothing counts.
        lender.reload(projects(framesPerSecond=RATE))
        lender.lend("p", "w1", loan.edition, Tokens(5.0, 0.0), NONE, 2, 0.0)
        lender.giveBack("p", "w1", loan.edition, Tokens(5.0, 0.0), NONE, 0.0)
        self.assertEqual(lender.spending.take(), {})

    def test_level(self) -> None:
        """A lender lends no more than all nodes together have."""
        lender: Lender[str] = Lender(projects(framesPerSecond=RATE))
        lender.lend("p", "w1", 0, NONE, NONE, 1, 0.0)
        lender.giveBack("p", "w1", 1, NONE, Tokens(100.0, 0.0), 0.0)
        settle(lender.buckets("p"), (3.0, 0.0), (0.0, 0.0), 0.0)
        loan, _ = lender.lend("p", "w1", 1, NONE, Tokens(10.0, 0.0), 1, 0.0)
        self.assertEqual(loan.tokens.frames, 3.0)
        self.assertGreater(loan.wait, 0)

    def test_divided(self) -> None:
        """While the engine is away, a lender lends its part of each rate."""
        lender: Lender[str] = Lender(projects(framesPerSecond=RATE))
        lender.lend("p", "w1", 0, NONE, NONE, 1, 0.0)
        lender.divide(0.5, 0.0)
        frames, _ = lender.buckets("p")
        assert frames is not None
        self.assertEqual((frames.rate, frames.tokens), (25.0, 50.0))
        lender.reload(projects(framesPerSecond=10.0))
        lender.lend("p", "w1", 0, NONE, NONE, 1, 0.0)
        frames, _ = lender.buckets("p")
        assert frames is not None
        self.assertEqual(frames.rate, 5.0)
        self.assertEqual(lender.buckets("q"), (None, None))


class OthersTests(SynchronousTestCase):
    """
    Tests for the counts of other nodes.
    """

    def test_counts(self) -> None:
        """What a project has at other nodes counts to its limits."""
        quotas = Quotas(projects(connections=5, subscriptions=7), None)
        quotas.others = Others(3, True, {"p": (3, 6)})
        quotas.connections.add("p")
        quotas.checkProject("p")
        quotas.connections.add("p")
        error = self.assertRaises(RealtimeError, quotas.checkProject, "p")
        self.assertEqual(error.code, "too_many_connections")
        quotas.checkSubscriptions("p")
        quotas.subscriptions.add("p")
        error = self.assertRaises(RealtimeError, quotas.checkSubscriptions, "p")
        self.assertEqual(error.code, "too_many_subscriptions")

    def test_away(self) -> None:
        """
        While the engine is away, each node has its part of a limit, and room for one at the least.
        """
        quotas = Quotas(projects(connections=7), None)
        quotas.others = Others(3, False, {"p": (100, 0)})
        quotas.connections.add("p")
        quotas.checkProject("p")
        quotas.connections.add("p")
        self.assertRaises(RealtimeError, quotas.checkProject, "p")
        few = Quotas(projects(connections=2), None)
        few.others = Others(3, False)
        few.checkProject("p")
        few.connections.add("p")
        self.assertRaises(RealtimeError, few.checkProject, "p")

    def test_parts(self) -> None:
        """A node has the whole of a rate while the engine answers, else its part."""
        self.assertEqual(Others().part, 1.0)
        self.assertEqual(Others(4, True).part, 1.0)
        self.assertEqual(Others(4, False).part, 0.25)
