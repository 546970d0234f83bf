"""
Counts what each project and each address uses, and enforces their limits.

Everything is a count or a bucket in a dictionary, so no call costs more when there are more
clients. A count that comes to zero is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil

from aerostack.core.limits.rates import Allowance, TokenBucket
from aerostack.core.limits.settling import Buckets, Others, Spending
from aerostack.errors import RealtimeError
from aerostack.settings.projects import ProjectConfig

RETRY_AFTER = 2000
"""Milliseconds after which a client may try again when the right time is unknown, because other
clients have to leave first."""

BURST = 2
"""How many seconds' worth a project may send at once, after a pause."""


def tooFast(who: str, limits: object, wait: float) -> RealtimeError:
    """
    The error for a client or project that sends too fast.

    @param who: The owner of the limit, as the subject of a sentence.
    @param limits: Its text names the limits, as that of an L{Allowance} does.
    @param wait: The seconds to wait.
    """
    return RealtimeError("rate_limited", f"{who} may send {limits}.", ceil(wait * 1000))


class UsageCounts:
    """
    A count for each key.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, key: str) -> None:
        """Count one more."""
        self._counts[key] = self._counts.get(key, 0) + 1

    def remove(self, key: str) -> None:
        """Count one less."""
        left = self._counts[key] - 1
        if left:
            self._counts[key] = left
        else:
            del self._counts[key]

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return sum(self._counts.values())

    def items(self) -> Iterable[tuple[str, int]]:
        """The keys with their counts."""
        return self._counts.items()

    def __getitem__(self, key: str) -> int:
        return self._counts.get(key, 0)

    def __len__(self) -> int:
        return len(self._counts)


class Quotas:
    """
    The usage and the limits of all projects and addresses.

    @ivar connections: How many connections each project has.
    @ivar addresses: How many connections each address has.
    @ivar subscriptions: How many subscriptions each project has.
    @ivar others: What other nodes use of the limits of projects.
    @ivar spending: Takes what projects spend of their rates; L{None} if there are no other nodes.
    """

    spending: Spending | None = None

    def __init__(
        self, projects: Mapping[str, ProjectConfig], connectionsPerAddress: int | None
    ) -> None:
        self.connections = UsageCounts()
        self.addresses = UsageCounts()
        self.subscriptions = UsageCounts()
        self.others = Others()
        self._part = 1.0
        self._allowances: dict[str, Allowance | None] = {}
        self.reload(projects, connectionsPerAddress)

    def reload(
        self, projects: Mapping[str, ProjectConfig], connectionsPerAddress: int | None
    ) -> None:
        """
        Enforce these limits from now on.  Connections and subscriptions over a new limit stay.
        """
        self._projects = projects
        self._connectionsPerAddress = connectionsPerAddress
        # A changed rate begins with a full bucket.
        self._allowances.clear()

    # Connections

    def checkAddress(self, address: str | None) -> None:
        """
        Make sure that an address may have one more connection.

        @param address: An address from L{aerostack.settings.addresses}.
        @raise RealtimeError: C{too_many_connections}.
        """
        most = self._connectionsPerAddress
        if most is not None and address is not None and self.addresses[address] >= most:
            raise RealtimeError(
                "too_many_connections",
                f"An address has at most {most} connections here; close one.",
                RETRY_AFTER,
            )

    def checkProject(self, project: str) -> None:
        """
        Make sure that a project may have one more connection.

        @raise RealtimeError: C{too_many_connections}.
        """
        most = self._projects[project].connections
        elsewhere = self.others.connections(project)
        if most is not None and not self.others.leaves(most, self.connections[project], elsewhere):
            raise RealtimeError(
                "too_many_connections",
                f"The project {project} has at most {most} connections.",
                RETRY_AFTER,
            )

    # Subscriptions

    def checkSubscriptions(self, project: str) -> None:
        """
        Make sure that a project may have one more subscription.

        @raise RealtimeError: C{too_many_subscriptions}.
        """
        found = self._projects.get(project)
        most = None if found is None else found.subscriptions
        elsewhere = self.others.subscriptions(project)
        if most is not None and not self.others.leaves(
            most, self.subscriptions[project], elsewhere
        ):
            raise RealtimeError(
                "too_many_subscriptions",
                f"The project {project} has at most {most} subscriptions in all.",
                RETRY_AFTER,
            )

    # Rates

    def spend(self, project: str, size: int, now: float) -> None:
        """
        Take a frame or a request from the project's allowance.

        @param size: Its bytes.
        @param now: The time in seconds.
        @raise RealtimeError: C{rate_limited}: the project sends too fast, and nothing was taken.
        """
        if project not in self._allowances:
            self._allowances[project] = self._makeAllowance(project, now)
        allowance = self._allowances[project]
        if allowance is None:
            return
        if wait := allowance.take(now, size):
            raise tooFast(f"All clients of the project {project} together", allowance, wait)
        if self.spending is not None:
            self.spending.note(project, 1.0, size)

    def buckets(self, project: str) -> Buckets:
        """
        The buckets of a project's rates.
        """
        allowance = self._allowances.get(project)
        return (None, None) if allowance is None else (allowance.frames, allowance.bytes)

    def divide(self, part: float, now: float) -> None:
        """
        Go by a part of each rate from now on.

        @param now: The time in seconds.
        """
        self._part = part
        for project, allowance in self._allowances.items():
            if allowance is not None:
                resize((allowance.frames, allowance.bytes), self._projects[project], part, now)

    def _makeAllowance(self, project: str, now: float) -> Allowance | None:
        # A project that was taken out of the configuration may still have connections.
        found = self._projects.get(project)
        if found is None or (found.framesPerSecond is None and found.bytesPerSecond is None):
            return None
        rates = found.framesPerSecond, found.bytesPerSecond
        return Allowance(*(_bucket(rate, self._part, now) for rate in rates))


def resize(buckets: Buckets, project: ProjectConfig, part: float, now: float) -> None:
    """
    Let the buckets of a project go by a part of its rates.
    """
    rates = project.framesPerSecond, project.bytesPerSecond
    for bucket, rate in zip(buckets, rates, strict=True):
        if bucket is not None and rate is not None:
            bucket.resize(rate * part, rate * part * BURST, now)


def _bucket(rate: float | None, part: float, now: float) -> TokenBucket | None:
    return None if rate is None else TokenBucket(rate * part, rate * part * BURST, now)
