"""
What clients and projects share, if one process counts it.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from aerostack.core.limits.admission import Admission
from aerostack.core.limits.quotas import RETRY_AFTER, Quotas
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IPlace, IShares
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig


@implementer(IShares)
class Shares(Quotas):
    """
    Counts what is used, and answers at once.

    @ivar admission: Bounds the rate of new connections.
    @ivar places: How many connections there are or are being opened.
    """

    def __init__(
        self,
        clock: IReactorTime,
        projects: Mapping[str, ProjectConfig],
        limits: LimitsConfig,
        admission: Admission,
    ) -> None:
        """
        @param admission: Bounds the rate of new connections.
        """
        super().__init__(projects, limits.connectionsPerAddress)
        self.places = 0
        self._clock = clock
        self.admission = admission
        self._connections = limits.connections

    def reloadShares(self, projects: Mapping[str, ProjectConfig], limits: LimitsConfig) -> None:
        """
        Enforce these limits from now on.  What is over a new limit stays.
        """
        self.reload(projects, limits.connectionsPerAddress)
        self.admission.reload(limits)
        self._connections = limits.connections

    def admit(self, address: str | None) -> Place:
        if self.places >= self._connections:
            raise RealtimeError(
                "too_many_connections",
                f"The daemon has at most {self._connections} connections.",
                RETRY_AFTER,
            )
        self.checkAddress(address)
        # Last, because it counts the client: a client that is refused above is not counted.
        self.admission.check(self._clock.seconds())
        self.places += 1
        if address is not None:
            self.addresses.add(address)
        return Place(self, address)

    def subscribe(self, project: str) -> None:
        self.checkSubscriptions(project)
        self.subscriptions.add(project)

    def unsubscribe(self, project: str) -> None:
        self.subscriptions.remove(project)


@implementer(IPlace)
class Place:
    """
    The place of one connection.
    """

    __slots__ = ("_address", "_project", "_shares")

    def __init__(self, shares: Shares, address: str | None) -> None:
        # L{None} once the place was given back.
        self._shares: Shares | None = shares
        self._address = address
        self._project: str | None = None

    def enter(self, project: str) -> None:
        if self._shares is not None:
            self._shares.checkProject(project)
            self._shares.connections.add(project)
            self._project = project

    def leave(self) -> None:
        shares, self._shares = self._shares, None
        if shares is None:
            return
        shares.places -= 1
        if self._address is not None:
            shares.addresses.remove(self._address)
        if self._project is not None:
            shares.connections.remove(self._project)
