"""
Keeps the limits of projects over all nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.limits.settling import (
    SETTLED,
    Amounts,
    Buckets,
    Others,
    Spending,
    settle,
)
from aerostack.core.nodes.membership import Membership
from aerostack.sessions.shares import Shares

if TYPE_CHECKING:
    from aerostack.engine.valkey.rates import ValkeyRates


class Rated(Protocol):
    """
    Has the buckets of projects at this node.

    @ivar spending: Takes what projects spend; L{None} if this node is alone.
    """

    spending: Spending | None

    def buckets(self, project: str) -> Buckets:
        """The buckets of a project."""

    def divide(self, part: float, now: float) -> None:
        """Go by a part of each rate from now on."""


class SharedQuotas(Service):
    """
    Settles what projects use at this node with the other nodes.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, membership: Membership, rates: ValkeyRates, shares: Shares
    ) -> None:
        """
        @param membership: The other nodes, and what projects use there.
        @param rates: The buckets that all nodes share.
        @param shares: Counts for this node.
        """
        self._clock = clock
        self._membership = membership
        self._rates = rates
        self._shares = shares
        self._spending = Spending()
        self._rated: Rated = shares
        self._settling: Deferred[Any] | None = None
        self.join(shares)
        self._repeating = LoopingCall(self._settle)
        self._repeating.clock = clock

    def startService(self) -> None:
        super().startService()
        self._repeating.start(SETTLED, now=False).addErrback(self._failed)

    def stopService(self) -> None:
        super().stopService()
        if self._repeating.running:
            self._repeating.stop()

    def join(self, rated: Rated) -> None:
        """
        Judge the rates of projects elsewhere than in the shares of this node.
        """
        self._rated.spending = None
        self._rated = rated
        rated.spending = self._spending

    def changed(self) -> None:
        """
        Go by what is known now of the other nodes.
        """
        membership = self._membership
        before = self._shares.others
        others = Others(len(membership.alive) + 1, membership.isCurrent, membership.usage())
        self._shares.others = others
        if others.part != before.part:
            self._rated.divide(others.part, self._clock.seconds())

    def _settle(self) -> None:
        if self._settling is not None:
            return
        spent = self._spending.take()
        if not spent or not self._membership.isCurrent:
            return
        asked = {
            project: (_rates(self._rated.buckets(project)), amounts)
            for project, amounts in spent.items()
        }
        self._settling = self._rates.settle(asked)
        self._settling.addCallbacks(self._settled, self._failed)

    def _settled(self, levels: dict[str, Amounts]) -> None:
        self._settling = None
        now = self._clock.seconds()
        for project, level in levels.items():
            buckets = self._rated.buckets(project)
            settle(buckets, level, self._spending.of(project), now)

    def _failed(self, failure: Failure) -> None:
        self._settling = None
        self.log.failure("the rates of projects cannot be settled", failure)


def _rates(buckets: Buckets) -> Amounts:
    frames, size = (0.0 if bucket is None else bucket.rate for bucket in buckets)
    return frames, size
