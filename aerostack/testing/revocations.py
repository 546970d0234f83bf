"""
Revocations that are kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from aerostack.core.access.removals import Revocation
from aerostack.errors import RealtimeError
from aerostack.interfaces.revocations import IRevocationStore


@implementer(IRevocationStore)
class MemoryRevocations:
    """
    The revocations of a database in memory.

    @ivar kept: All revocations, in the order in which they came.
    @ivar isDown: Whether the database fails.
    """

    def __init__(self) -> None:
        self.kept: list[Revocation] = []
        self.isDown = False

    def keep(self, revocation: Revocation) -> Deferred[None]:
        if self.isDown:
            return fail(self._error())
        self.kept.append(revocation)
        return succeed(None)

    def read(self, projects: Iterable[str], now: int) -> Deferred[list[Revocation]]:
        if self.isDown:
            return fail(self._error())
        named = set(projects)
        return succeed([r for r in self.kept if r.project in named and r.until > now])

    def forget(self, now: int) -> Deferred[None]:
        if self.isDown:
            return fail(self._error())
        self.kept = [revocation for revocation in self.kept if revocation.until > now]
        return succeed(None)

    def _error(self) -> RealtimeError:
        return RealtimeError("database_unavailable", "The database is down.", 1000)
