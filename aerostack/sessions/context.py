"""
What all sessions of a daemon share.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator
from aerostack.core.diagnosis.traces import Traces
from aerostack.core.limits.deadlines import Deadlines
from aerostack.core.limits.quotas import Quotas
from aerostack.hub.hub import Hub
from aerostack.recovery.recovery import Recovery
from aerostack.sessions.interfaces import CommandedSession
from aerostack.sessions.reauthorizing import Reauthorizing
from aerostack.settings.limits import LimitsConfig
from aerostack.tables.feed import TableFeed


class SessionContext:
    """
    Where a session lives.

    @ivar clock: For intervals; it is never set.
    @ivar wall: Tells the time, seconds since the epoch, by which tokens expire; it may be
        set at any moment.
    @ivar limits: Hold for sessions that begin from now on.
    @ivar deadlines: When each session has something to do.
    @ivar quotas: What each project uses of what it may.
    @ivar traces: What is remembered of connections.
    @ivar reauthorizing: Judges sessions anew, and takes back what they held.
    @ivar clients: The newest session of each client that brought a secret, by project and what
        stands for the secret.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        hub: Hub,
        feeds: TableFeed,
        recovery: Recovery,
        authenticator: Authenticator,
        limits: LimitsConfig,
        deadlines: Deadlines,
        quotas: Quotas,
        traces: Traces,
    ) -> None:
        self.clock = clock
        self.wall = wall
        self.hub = hub
        self.feeds = feeds
        self.recovery = recovery
        self.authenticator = authenticator
        self.limits = limits
        self.deadlines = deadlines
        self.quotas = quotas
        self.traces = traces
        self.reauthorizing = Reauthorizing(clock)
        self.clients: dict[tuple[str, str], CommandedSession] = {}

    def reload(self, limits: LimitsConfig) -> None:
        """
        Hold sessions that begin from now on to these limits.
        """
        self.limits = limits
