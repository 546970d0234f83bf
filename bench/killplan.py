"""
How often to kill, and by how many clusters at the same time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """
    How often to kill.

    @ivar kills: How often.
    @ivar until: When to stop before that, seconds of the monotonic clock; L{None} for never.
    """

    kills: int
    until: float | None

    def goesOn(self, done: int) -> bool:
        """
        Return whether to kill again.
        """
        return done < self.kills and (self.until is None or time.monotonic() < self.until)


async def spread(
    clusters: int,
    kills: int,
    minutes: float | None,
    chance: random.Random,
    run: Callable[[Plan, random.Random], Coroutine[Any, Any, tuple[int, T]]],
) -> list[tuple[int, T]]:
    """
    Let clusters share kills, at the same time.

    @param minutes: After how many minutes to kill no more; L{None} for no such bound.
    @param run: Kills in one cluster.
    @return: What it returns for each cluster.
    @raise Failed: A part did not come back.
    """
    until = None if minutes is None else time.monotonic() + 60 * minutes
    runs = []
    for number in range(clusters):
        count = len(range(number, kills, clusters))
        own = random.Random(chance.random())
        runs.append(Deferred.fromCoroutine(run(Plan(count, until), own)))
    results = []
    for succeeded, result in await DeferredList(runs, consumeErrors=True):
        if not succeeded:
            result.raiseException()
        results.append(result)
    return results
