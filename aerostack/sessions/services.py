"""
Everything that serves sessions, put together from what the node gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.tables import Access
from aerostack.core.diagnosis.traces import Traces
from aerostack.core.limits.deadlines import Deadlines
from aerostack.core.rows.selection import Bounds
from aerostack.core.topics.patterns import Patterns
from aerostack.hub.hub import Hub
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.clients import IClients
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.interfaces.line import ILine
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.publishing import IPublisher
from aerostack.interfaces.refusals import IRefusals
from aerostack.interfaces.revocations import IRevocationStore
from aerostack.interfaces.roster import IMembers, IRoster
from aerostack.interfaces.shares import IShares
from aerostack.interfaces.streams import IStreams
from aerostack.interfaces.tracking import IChangeTracker
from aerostack.interfaces.uplinks import IUplinks
from aerostack.recovery.recovery import Recovery
from aerostack.sessions.clients import LocalClients
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import Admitted
from aerostack.sessions.longrequests import LongRequests
from aerostack.sessions.removing import Removal
from aerostack.sessions.rpc import RPC, Query
from aerostack.sessions.session import Session
from aerostack.sessions.users import UserMethods
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig
from aerostack.tables.feed import TableFeed


@dataclass(frozen=True)
class NodeServices:
    """
    What serving clients needs of the node: what exists once on a machine.

    @ivar publisher: Takes what clients publish.
    @ivar source: Where the logs of topics come from.
    @ivar sequencer: Has the logs.
    @ivar roster: Decides who is present.
    @ivar members: The members of each attached topic.
    @ivar history: The kept messages.
    @ivar tracker: Reads changes of tables.
    @ivar shares: What clients and projects share: places, subscriptions and rates.
    @ivar query: Runs the statements of C{db.query}.
    @ivar line: Reaches every node.
    @ivar revocations: Keeps the revocations of tokens.
    @ivar streams: The token streams.
    @ivar uplinks: Brings clients' frames to the process that has their connection.
    @ivar values: Reads the values of keyed topics.
    @ivar refusals: Takes notice of requests that are refused.
    @ivar clients: Lets one client have one session, on all processes.
    """

    publisher: IPublisher
    source: ILogSource
    sequencer: Sequencer
    roster: IRoster
    members: IMembers
    history: IKeptMessages
    tracker: IChangeTracker
    shares: IShares
    query: Query
    line: ILine
    revocations: IRevocationStore
    streams: IStreams
    uplinks: IUplinks
    values: IKeyedValues
    refusals: IRefusals
    clients: IClients = field(default_factory=LocalClients)


class ClientServices:
    """
    What sessions and servers' requests use.

    @ivar values: Reads the values of keyed topics.
    @ivar hub: Subscriptions, publications and presence.
    @ivar feeds: The changes of tables.
    @ivar recovery: Answers subscriptions.
    @ivar deadlines: When each client has something to do.
    @ivar traces: What is remembered of connections.
    @ivar context: What a session uses of all this.
    @ivar requests: The requests over HTTP whose answers go on.
    @ivar removal: Removes users from this part of the daemon.
    @ivar rpc: Answers the calls of servers.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        node: NodeServices,
        authenticator: Authenticator,
        projects: Mapping[str, ProjectConfig],
        tables: Patterns,
        access: Access,
        limits: LimitsConfig,
        replay: int,
        bounds: Bounds,
        sessions: Callable[[], Sequence[Session]],
    ) -> None:
        """
        @param clock: Measures intervals; it is never set.
        @param wall: The time of day, seconds since the epoch.
        @param tables: The tables to which clients may subscribe.
        @param access: Decides what a client may read of them.
        @param replay: How many rows of the past one subscription gets from the database.
        @param bounds: How much of a table a subscription may begin with.
        @param sessions: Gives all sessions, in order of opening.
        """
        self.values = node.values
        self.hub = Hub(
            clock,
            wall,
            node.sequencer,
            node.publisher,
            node.source,
            node.roster,
            node.members,
            node.streams.copy,
        )
        self.feeds = TableFeed(
            clock,
            self.hub.now,
            self.hub.delivery,
            node.sequencer,
            tables,
            access,
            projects,
            node.tracker,
        )
        self.recovery = Recovery(
            clock, self.hub, self.feeds, node.history, replay, bounds, node.values, node.streams
        )
        self.deadlines = Deadlines()
        self.traces = Traces()
        self.context = SessionContext(
            clock,
            wall,
            self.hub,
            self.feeds,
            self.recovery,
            authenticator,
            limits,
            self.deadlines,
            node.shares,
            self.traces,
            node.clients,
            node.streams,
            node.refusals,
        )
        self.requests = LongRequests(clock, wall, authenticator, self.deadlines)
        self._sessions = sessions
        revocations = authenticator.revocations
        self.removal = Removal(clock, wall, self.hub.presence, revocations, self.clients)
        node.line.start(self.removal.carryOut)
        self.rpc = RPC(
            node.publisher,
            authenticator,
            self.feeds.permit,
            limits,
            node.query,
            UserMethods(node.line, revocations, node.revocations, wall),
            node.streams,
            lambda project: node.shares.spend(project, 0, clock.seconds()),
        )

    def clients(self) -> list[Admitted]:
        """
        All clients that are served now, with sessions or not.
        """
        return [*self._sessions(), *self.requests]

    def reload(self, limits: LimitsConfig, bounds: Bounds) -> None:
        """
        Go by these limits from now on.
        """
        self.context.reload(limits)
        self.recovery.reload(bounds)
        self.rpc.reload(limits)
