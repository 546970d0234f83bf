"""
What all sessions of a daemon share.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator
from aerostack.core.backlog import Backlogs
from aerostack.core.diagnosis.clientcounts import ClientCounts
from aerostack.core.diagnosis.traces import Traces
from aerostack.core.limits.deadlines import Deadlines
from aerostack.delivery.outbound import Outbound
from aerostack.hub.hub import Hub
from aerostack.interfaces.clients import IClients
from aerostack.interfaces.refusals import IRefusals
from aerostack.interfaces.shares import IShares
from aerostack.interfaces.streams import IStreams
from aerostack.recovery.recovery import Recovery
from aerostack.sessions.interfaces import CommandedSession
from aerostack.sessions.reauthorizing import Reauthorizing
from aerostack.settings.limits import LimitsConfig
from aerostack.tables.feed import TableFeed


class SessionContext:
    """
    What a session uses of the daemon.

    @ivar clock: The monotonic clock, for intervals.
    @ivar wall: The wall clock: returns seconds since the epoch, for stamps and for tokens that
        expire.  An operator may set it at any moment.
    @ivar limits: The limits for sessions that begin from now on.
    @ivar deadlines: When each session has something to do.
    @ivar shares: What projects may use, and use.
    @ivar subscriptions: How many subscriptions the sessions have.
    @ivar traces: What the daemon remembers of connections.
    @ivar counts: What is counted of the clients.
    @ivar reauthorizing: Checks again what sessions may do, and takes back what closed sessions
        held.
    @ivar backlogs: What waits for the slow readers of each project.
    @ivar streams: The token streams.
    @ivar refusals: Takes notice of requests that are refused.
    @ivar clients: The newest session of each client that brought a secret, by project and the
        hash of the secret.
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
        shares: IShares,
        traces: Traces,
        everywhere: IClients,
        streams: IStreams,
        refusals: IRefusals,
    ) -> None:
        """
        @param everywhere: Lets one client have one session, on all processes.
        """
        self.clock = clock
        self.wall = wall
        self.hub = hub
        self.feeds = feeds
        self.recovery = recovery
        self.authenticator = authenticator
        self.limits = limits
        self.deadlines = deadlines
        self.shares = shares
        self.subscriptions = 0
        self.traces = traces
        self.counts = ClientCounts()
        self.reauthorizing = Reauthorizing(clock)
        self.backlogs: Backlogs[Outbound] = Backlogs()
        self.clients: dict[tuple[str, str], CommandedSession] = {}
        self._everywhere = everywhere
        self.streams = streams
        self.refusals = refusals

    def enter(self, session: CommandedSession) -> None:
        """
        Note the newest session of a client, if the client brought a secret.  An earlier session of
        the same client and user closes.
        """
        if session.client is None:
            return
        key = session.identity.project, session.client
        before = self.clients.get(key)
        self.clients[key] = session
        if before is not None and before.identity.userId == session.identity.userId:
            before.yieldTo()
        self._everywhere.opened(session)

    def change(self, session: CommandedSession) -> None:
        """
        Note that a session's client is another user now.
        """
        if session.client is not None:
            self._everywhere.changed(session)

    def leave(self, session: CommandedSession) -> None:
        """
        Note that a session is over.
        """
        if session.client is None:
            return
        key = session.identity.project, session.client
        if self.clients.get(key) is session:
            del self.clients[key]
        self._everywhere.closed(session)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Use these limits for sessions that begin from now on.
        """
        self.limits = limits
