"""
Tests for L{aerostack.server.quotas}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.admission import Admission
from aerostack.core.limits.leases import NONE, Lender, Tokens
from aerostack.core.limits.settling import SETTLED
from aerostack.core.nodes.membership import Membership
from aerostack.core.nodes.reports import Report
from aerostack.server.quotas import SharedQuotas
from aerostack.sessions.shares import Shares
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import makeProject


class FakeRates:
    """
    The engine's buckets.

    @ivar asked: What was settled, oldest first.
    @ivar answers: The answers that wait, oldest first.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: list[Deferred[Any]] = []

    def settle(self, spent: Any) -> Deferred[Any]:
        """Settle what was spent."""
        self.asked.append(spent)
        self.answers.append(Deferred())
        return self.answers[-1]


class SharedQuotasTests(SynchronousTestCase):
    """
    Tests for L{SharedQuotas}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        limits = LimitsConfig()
        self.projects = {"p": makeProject(framesPerSecond=10.0, connections=4)}
        self.shares = Shares(self.clock, self.projects, limits, Admission(limits, lambda: 0.5))
        self.membership = Membership("me", "a")
        self.rates = FakeRates()
        self.quotas = SharedQuotas(self.clock, self.membership, cast(Any, self.rates), self.shares)
        self.quotas.startService()
        self.addCleanup(self.quotas.stopService)
        self.read(1)

    def read(self, others: int) -> None:
        """
        Let the engine know some other nodes with a connection each.
        """
        report = Report("b", "1", 5.0, 0.0, 1, "", {"p": (1, 0)})
        rows = [(f"r{number}", 0.0, report) for number in range(others)]
        self.membership.read(rows, self.clock.seconds())
        self.quotas.changed()

    def spend(self, count: int) -> None:
        """
        Let the project send frames.
        """
        for _ in range(count):
            self.shares.spend("p", 100, self.clock.seconds())

    @property
    def tokens(self) -> float:
        """What the project's bucket has here."""
        bucket = self.shares.buckets("p")[0]
        assert bucket is not None
        return bucket.tokens

    def test_settled(self) -> None:
        """
        What was spent is settled after a tenth of a second, one step at a time, and the bucket has
        no more than the engine's.
        """
        self.clock.advance(SETTLED)
        self.assertEqual(self.rates.asked, [])
        self.spend(3)
        self.clock.advance(SETTLED)
        self.assertEqual(self.rates.asked, [{"p": ((10.0, 0.0), (3.0, 300.0))}])
        self.spend(2)
        self.clock.advance(SETTLED)
        self.assertEqual(len(self.rates.asked), 1)
        self.rates.answers[0].callback({"p": (5.0, 0.0)})
        # Two frames were spent since.
        self.assertEqual(self.tokens, 3.0)
        self.clock.advance(SETTLED)
        self.assertEqual(self.rates.asked[1:], [{"p": ((10.0, 0.0), (2.0, 200.0))}])

    def test_unanswered(self) -> None:
        """What the engine has not answered is spent here alone; the next step goes on."""
        self.spend(3)
        self.clock.advance(SETTLED)
        self.rates.answers[0].callback({})
        self.assertEqual(self.tokens, 17.0)
        self.spend(1)
        self.clock.advance(SETTLED)
        self.assertEqual(len(self.rates.asked), 2)
        self.rates.answers[1].errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.spend(1)
        self.clock.advance(SETTLED)
        self.assertEqual(len(self.rates.asked), 3)

    def test_gone(self) -> None:
        """The answer for a project that a reload has taken out changes nothing."""
        self.spend(3)
        self.clock.advance(SETTLED)
        self.shares.reloadShares({}, LimitsConfig())
        self.rates.answers[0].callback({"p": (5.0, 0.0)})
        self.assertEqual(self.shares.buckets("p"), (None, None))

    def test_away(self) -> None:
        """
        While the engine is away, the node has its part of each limit and settles nothing; then it
        has the whole again.
        """
        self.read(3)
        self.spend(1)
        self.membership.lost()
        self.quotas.changed()
        bucket = self.shares.buckets("p")[0]
        assert bucket is not None
        self.assertEqual((bucket.rate, bucket.burst), (2.5, 5.0))
        self.assertEqual((self.shares.others.nodes, self.shares.others.isCurrent), (4, False))
        self.clock.advance(1)
        self.assertEqual(self.rates.asked, [])
        self.read(3)
        self.assertEqual((bucket.rate, bucket.burst), (10.0, 20.0))
        self.assertEqual(self.shares.others.connections("p"), 3)

    def test_first(self) -> None:
        """A node that has not known another one has the whole of its limits."""
        self.membership = Membership("me", "a")
        quotas = SharedQuotas(self.clock, self.membership, cast(Any, self.rates), self.shares)
        quotas.changed()
        self.assertEqual(self.shares.others.part, 1.0)
        self.assertTrue(self.shares.others.leaves(1, 0, 0))

    def test_lender(self) -> None:
        """With workers, what they have spent is settled, and the lender's bucket is kept."""
        lender: Lender[str] = Lender(self.projects)
        self.quotas.join(lender)
        self.spend(1)
        self.assertIsNone(self.shares.spending)
        loan, _ = lender.lend("p", "w", 0, NONE, Tokens(5.0, 0.0), 1, 0.0)
        lender.lend("p", "w", loan.edition, Tokens(4.0, 40.0), NONE, 1, 0.0)
        self.clock.advance(SETTLED)
        self.assertEqual(self.rates.asked, [{"p": ((10.0, 0.0), (4.0, 40.0))}])
        self.rates.answers[0].callback({"p": (2.0, 0.0)})
        bucket = lender.buckets("p")[0]
        assert bucket is not None
        self.assertEqual(bucket.tokens, 2.0)
        self.membership.lost()
        self.quotas.changed()
        self.assertEqual(bucket.rate, 5.0)
