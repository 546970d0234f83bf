"""
The rates of projects that nodes share over a server.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred

from aerostack.core.limits.settling import Amounts
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.ratescripts import SETTLE

PIECE = 200
"""How many projects one step settles."""


class ValkeyRates:
    """
    The buckets of projects on a server.
    """

    def __init__(self, keys: Keys) -> None:
        self._keyOf = keys.rateOf

    def begin(self, link: Link) -> None:
        """
        Use a link from now on.
        """
        self._link = link

    def settle(self, spent: Mapping[str, tuple[Amounts, Amounts]]) -> Deferred[dict[str, Amounts]]:
        """
        Take what was spent here from the buckets of all nodes.

        @param spent: By project, its rates of frames and bytes, 0 for no limit, and what it has
            spent of each.
        @return: A L{Deferred} of what the buckets have then, by project; below 0 it is owed.  Of
            projects for which the server did not answer, nothing is there.
        """
        return Deferred.fromCoroutine(self._settle(list(spent.items())))

    async def _settle(self, spent: list[tuple[str, tuple[Amounts, Amounts]]]) -> dict[str, Amounts]:
        levels: dict[str, Amounts] = {}
        for start in range(0, len(spent), PIECE):
            some = spent[start : start + PIECE]
            arguments = [b"%.6f" % each for _, pair in some for amounts in pair for each in amounts]
            keys = [self._keyOf(project) for project, _ in some]
            try:
                found = await self._link.run(SETTLE, keys, arguments)
            except ValkeyError:
                # The link says so to all; what is not settled is spent here alone.
                break
            numbers = [float(each) for each in found]
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            levels.update(zip((project for project, _ in some), pairs, strict=True))
        return levels
