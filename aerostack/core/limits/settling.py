"""
The limits of a project that several nodes share.

Each node counts and judges for itself at once, so that no frame waits for another node.  What it
has spent of a rate is settled with the engine ten times a second: the engine has one bucket for all
nodes, and no node keeps more in its own bucket than there is in that one.  So all nodes together
have one rate.  A node that had sent nothing may send a burst before the others know of it; what is
owed for that is taken from all.

Lending the tokens in advance would keep each burst exact, but a node could then refuse a burst that
the project has tokens for, because other nodes hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aerostack.core.limits.rates import TokenBucket

SETTLED = 0.1
"""Seconds between two times at which a node settles with the engine."""

Buckets = tuple[TokenBucket | None, TokenBucket | None]
"""The bucket of a project's frames, and that of its bytes; L{None} for no limit."""

Amounts = tuple[float, float]
"""Frames, and bytes."""


@dataclass(frozen=True)
class Others:
    """
    What the other nodes use.

    @ivar nodes: How many nodes there are, this one among them.
    @ivar isCurrent: Whether the engine answers.  While it does not, this node may use its part of
        each limit, as if the limit were divided among all.
    @ivar usage: By project, how many connections and how many subscriptions it has elsewhere.
    """

    nodes: int = 1
    isCurrent: bool = True
    usage: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def connections(self, project: str) -> int:
        """How many connections a project has elsewhere."""
        return self.usage.get(project, (0, 0))[0]

    def subscriptions(self, project: str) -> int:
        """How many subscriptions a project has elsewhere."""
        return self.usage.get(project, (0, 0))[1]

    def leaves(self, most: int, here: int, elsewhere: int) -> bool:
        """
        Whether a limit leaves room for one more.

        @param most: The limit of all nodes together.
        @param here: How many there are at this node.
        @param elsewhere: How many there are at the others.
        """
        if self.isCurrent:
            return here + elsewhere < most
        return here < max(1, most // self.nodes)

    @property
    def part(self) -> float:
        """The part of each rate that this node has for itself alone."""
        return 1.0 if self.isCurrent else 1.0 / self.nodes


class Spending:
    """
    What projects have spent at this node since it last settled.
    """

    def __init__(self) -> None:
        self._spent: dict[str, Amounts] = {}

    def note(self, project: str, frames: float, size: float) -> None:
        """
        Note what a project has spent.
        """
        before = self._spent.get(project, (0.0, 0.0))
        self._spent[project] = before[0] + frames, before[1] + size

    def take(self) -> dict[str, Amounts]:
        """
        Give what each project has spent, and begin anew.
        """
        spent, self._spent = self._spent, {}
        return spent

    def of(self, project: str) -> Amounts:
        """
        What a project has spent since L{take}.
        """
        return self._spent.get(project, (0.0, 0.0))


def settle(buckets: Buckets, levels: Amounts, unsettled: Amounts, now: float) -> None:
    """
    Keep no more tokens than all nodes together have.

    @param levels: What the engine's buckets have; what is owed is below 0.
    @param unsettled: What was spent here since the engine was asked.
    @param now: Seconds of the clock.
    """
    for bucket, level, spent in zip(buckets, levels, unsettled, strict=True):
        if bucket is not None:
            bucket.wait(now)
            bucket.tokens = min(bucket.tokens, level - spent)
