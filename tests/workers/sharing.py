"""
What clients and projects share, of one process or of a hub and its workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock

from aerostack.core.limits.admission import Admission
from aerostack.sessions.shares import Shares
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig
from aerostack.workers.channel import Channel
from aerostack.workers.hub.shares import WorkerShares
from aerostack.workers.worker.shares import RemoteShares
from tests.workers.linked import Linked


class ShareMachine:
    """
    A machine.

    @ivar real: What counts.
    @ivar shares: What each part that serves clients asks.
    """

    def __init__(self, workers: int, limits: LimitsConfig, **project: Any) -> None:
        """
        @param workers: How many there are; 0 for one process.
        @param project: The settings of the project C{p}.
        """
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.limits = limits
        self.projects = self.makeProjects(**project)
        self.real = Shares(self.clock, self.projects, limits, Admission(limits, lambda: 0.5))
        self.shares: list[Any] = []
        self.service = WorkerShares(self.clock, self.real, self.projects)
        self.linked = Linked(self.clock, (self.service,), self._makeWorker)
        self.settle = self.linked.settle
        for _ in range(workers):
            self.linked.add()
        if not workers:
            self.shares.append(self.real)

    def makeProjects(self, **project: Any) -> Mapping[str, ProjectConfig]:
        """
        Make the project.
        """
        return {"p": ProjectConfig("p", **project)}

    def _makeWorker(self, channel: Channel) -> tuple[RemoteShares]:
        self.shares.append(RemoteShares(self.clock, channel, self.projects))
        return (self.shares[-1],)

    def reload(self, **project: Any) -> None:
        """
        Take over other limits of the project.
        """
        self.projects = self.makeProjects(**project)
        self.real.reloadShares(self.projects, self.limits)
        self.service.reload(self.projects)
        for shares in self.shares:
            if isinstance(shares, RemoteShares):
                shares.reload(self.projects)

    @property
    def counts(self) -> tuple[int, ...]:
        """
        What is counted in all: places, connections of the project and of addresses, and
        subscriptions.
        """
        real = self.real
        totals = (real.connections.total, real.addresses.total, real.subscriptions.total)
        return real.places, *totals
