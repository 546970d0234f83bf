"""
A whole daemon in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any
from weakref import WeakSet

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from aerostack.admin.refusals import Refusals
from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.client.address import Address
from aerostack.client.interfaces import ITransport, ITransportUser
from aerostack.client.realtime import RealtimeClient
from aerostack.client.sdk import TwistedSDK
from aerostack.core.access.permissions import Identity
from aerostack.core.access.tables import Access
from aerostack.core.answers.checkpoints import Claim
from aerostack.core.keyed.values import REMOVED
from aerostack.core.limits.admission import Admission
from aerostack.core.presence import Presence
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.log import Depth
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.rows.selection import Bounds
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.engine.alone import AloneNodes
from aerostack.engine.line import NodeLine
from aerostack.engine.memory import MemoryEngine
from aerostack.engine.uplinks import NodeUplinks
from aerostack.hub.backbone import Backbone
from aerostack.hub.idempotency import ownerOf
from aerostack.hub.keyed import LocalValues
from aerostack.hub.sources import LocalLogs
from aerostack.interfaces.messaging import IConnection
from aerostack.sessions.services import ClientServices, NodeServices
from aerostack.sessions.session import Session
from aerostack.sessions.shares import Shares
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.tables import TableConfig
from aerostack.streams.audience import Audience
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.elsewhere import NodeStreams
from aerostack.streams.keeping import EndKeeper
from aerostack.streams.streams import Streams
from aerostack.testing.clients import MemoryClient
from aerostack.testing.connections import MemoryConnection
from aerostack.testing.delayed import DelayedLogs, Line, delayed
from aerostack.testing.history import MemoryHistory
from aerostack.testing.resources import makeResources
from aerostack.testing.revocations import MemoryRevocations
from aerostack.testing.tracker import MemoryTracker
from aerostack.testing.wires import Entrance, MemoryWire

PUBLIC_KEY = "pk_0123456789abcdef"
SECRET_KEY = "sk_0123456789abcdef"
URL = "ws://world.test"
TOKEN_SECRET = "a shared secret of thirty-two by"


def makeProject(**settings: Any) -> ProjectConfig:
    """
    A project C{p} with known keys, which admits clients without credentials.
    """
    return ProjectConfig(
        **{
            "id": "p",
            "publicKey": PUBLIC_KEY,
            "secretKey": SECRET_KEY,
            "anonymous": True,
            **settings,
        }
    )


class World:
    """
    A whole daemon without sockets, database or time.

    To test an application, give it clients of L{realtime} and an SDK of L{sdk}.  Call L{turn} to
    let frames arrive, L{advance} to let time pass, and L{cut} to break connections.

    @ivar clock: The daemon's clock, which begins at one billion seconds.
    @ivar stepped: By how many seconds the time of day was set since the beginning.  Timers do not
        depend on it.
    @ivar backbone: What exists once on a machine: it puts publications in order.
    @ivar hub: Subscriptions, publications and presence.
    @ivar streams: The token streams.
    @ivar requests: The requests over HTTP whose answers go on.
    @ivar revocations: What the database keeps of revoked tokens.
    @ivar refusals: Which requests were refused.
    @ivar reachable: Whether clients of L{realtime} can connect.
    @ivar entrance: The parts of the daemon that the clients' connections need.
    @ivar wires: The clients' connections.
    """

    def __init__(
        self,
        projects: Mapping[str, ProjectConfig] | None = None,
        limits: LimitsConfig | None = None,
        grace: float = 10.0,
        tables: tuple[str, ...] = ("orders",),
        rules: TopicPolicies | None = None,
        access: Mapping[str, TableConfig] | None = None,
        line: Line | None = None,
    ) -> None:
        """
        @param tables: The tables that exist.
        @param rules: The policies of topics.
        @param access: The rules for reading tables, by patterns.
        @param line: Delays what serving clients asks of the node; L{None} if nothing is delayed.
        """
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.projects = projects or {"p": makeProject()}
        self.limits = limits or LimitsConfig()
        self.history = MemoryHistory()
        self.revocations = MemoryRevocations()
        self.refusals = Refusals(self.clock)
        self._sessions: list[Session] = []
        # Answers that take more than one turn reach a client when its agent is flushed.
        self._agents: WeakSet[RequestTraversalAgent] = WeakSet()
        self.queries: list[tuple[str, list[Any]]] = []
        self._grace = grace
        self._tables = tables
        self._access = access or {}
        self._line = line
        self._rules = rules or TopicPolicies([], TopicPolicy(Depth(1000, 1_000_000, 300.0)))
        self._ids = iter(range(1, 1_000_000))
        self._epochs = iter(range(1, 1_000_000))
        self._runs = iter(range(1, 1_000_000))
        self._serial = iter(range(1, 1_000_000))
        self.reachable = True
        self.stepped = 0.0
        self.entrance = Entrance(self.clock, self._admit)
        self.wires = self.entrance.wires
        self._begin()

    def wall(self) -> float:
        """
        The time of day, seconds since the epoch.
        """
        return self.clock.seconds() + self.stepped

    def restart(self) -> None:
        """
        Start a new daemon on the same database.  Connections do not survive this: end them before.
        """
        before = self.tracker
        self._begin()
        self.tracker.shape = before.shape
        self.tracker.changes = before.changes
        self.tracker.forgotten = before.forgotten
        self.tracker.position = before.changes[-1].seq if before.changes else 0
        self.tracker.reading = before.reading
        # In memory, the answers are there at once.
        claim = Claim("world", self.streams.checkpoints.run)
        self.history.answers.take(claim).addCallback(self.streams.handover.restore)
        sequencer = self.backbone.sequencer
        sequencer.floor = self.hub.now()
        for kept in self.history.messages:
            sequencer.floor = max(sequencer.floor, kept.createdAt)
            self.backbone.publisher.outcomes.restore(kept)
        newest = {(k.message.topic, k.message.key): k.publication for k in self.history.messages}
        self.backbone.states.restore(
            (each for each in newest.values() if each.key is not None and each.data != REMOVED),
            "restored",
            self.clock.seconds(),
            self.hub.now(),
        )

    def _begin(self) -> None:
        rules = self._rules
        self.backbone = Backbone(
            self.clock,
            lambda: int(self.wall() * 1000),
            MemoryEngine(),
            self.history,
            Presence(self._grace),
            lambda: f"m{next(self._ids)}",
            rules,
            TopicLogs(
                lambda topic: rules.of(topic).depth,
                lambda: f"e{next(self._epochs)}",
                10_000_000,
            ),
            IdempotencyCache(120.0, 1000, ownerOf),
        )
        sequencer = self.backbone.sequencer
        self.streams = Streams(
            self.clock,
            lambda: int(self.wall() * 1000),
            sequencer.answers,
            self.backbone.publisher,
            lambda: f"s{next(self._ids)}",
            EndKeeper(self.clock, self.history),
            Checkpointer(self.history.answers, "world", f"r{next(self._runs)}"),
            Audience(self.clock, AloneNodes("world"), sequencer.answers),
        )
        self.streams.audience.local = lambda topic: len(self.hub.registry.subscribers(topic))
        self.tracker = MemoryTracker(self._tables)
        self.authenticator = Authenticator(self.projects)
        for revocation in self.revocations.kept:
            self.authenticator.revocations.add(revocation, self.wall())
        self.shares = Shares(
            self.clock, self.projects, self.limits, Admission(self.limits, lambda: 0.5)
        )
        node = self._node() if self._line is None else delayed(self._line, self._node())
        services = self._services = ClientServices(
            self.clock,
            self.wall,
            node,
            self.authenticator,
            self.projects,
            Patterns(["*"]),
            Access(self.projects, self._access),
            self.limits,
            1000,
            Bounds(1000, 1_000_000, 1.0),
            self._openSessions,
        )
        self.hub, self.feeds, self.recovery = services.hub, services.feeds, services.recovery
        self.deadlines, self.traces = services.deadlines, services.traces
        self.context, self.rpc = services.context, services.rpc
        self.requests = services.requests
        if isinstance(node.source, DelayedLogs):
            node.source.start(self.hub.delivery)
            self.backbone.start(node.source)
        else:
            self.backbone.start(self.hub.delivery)
        self.tracker.listener = self.feeds

    def _node(self) -> NodeServices:
        """What serving clients needs of the node."""
        backbone, nodes = self.backbone, AloneNodes("world")
        return NodeServices(
            backbone.publisher,
            LocalLogs(),
            backbone.sequencer,
            backbone.roster,
            backbone.roster.rosters,
            self.history,
            self.tracker,
            self.shares,
            self._query,
            NodeLine(self.clock, nodes),
            self.revocations,
            self._nodeStreams(nodes),
            NodeUplinks(nodes),
            LocalValues(backbone.states),
            self.refusals,
        )

    def _nodeStreams(self, nodes: Any) -> NodeStreams:
        streams, keeper = self.streams, self.streams.keeper
        made = NodeStreams(streams, nodes, keeper.read)
        made.endOf = lambda project, stream: keeper.endOf(
            project, stream, int(1000 * (self.wall() - streams.answers.linger))
        )
        return made

    def _query(self, sql: str, parameters: list[Any]) -> Deferred[dict[str, Any]]:
        self.queries.append((sql, parameters))
        return succeed({"results": [], "success": True, "meta": {}})

    def _openSessions(self) -> list[Session]:
        self._sessions = [each for each in self._sessions if each.subscriptions is not None]
        return self._sessions

    def _makeSession(self, connection: IConnection, identity: Identity) -> Session:
        session = Session(connection, identity, self.context)
        self._sessions.append(session)
        return session

    def newConnectionId(self) -> str:
        """
        The id of the next connection.
        """
        return f"c{next(self._serial)}"

    def connect(self, client: str | None = None, **credentials: Any) -> MemoryClient:
        """
        Connect a client.

        @param client: A hash of its session secret.
        @param credentials: Those of L{Credentials}; the project is C{p} if nothing
            else names one.
        """
        if not credentials.keys() & {"projectId", "key", "token"}:
            credentials["projectId"] = "p"
        identity = self.authenticator.identify(Credentials(**credentials), self.wall())
        connection = MemoryConnection(self.newConnectionId())
        connection.client = client
        session = self._makeSession(connection, identity)
        return MemoryClient(connection, session, self.turn)

    def realtime(self, **options: Any) -> RealtimeClient:
        """
        A client as applications use it.

        @param options: Those of L{RealtimeClient}; the project is C{p} if nothing else
            names one.
        """
        if not options.keys() & {"projectId", "apiKey", "token"}:
            options["projectId"] = "p"
        return RealtimeClient(
            self.clock, URL, openTransport=self.openTransport, agent=self.agent(), **options
        )

    def sdk(self, secretKey: str = SECRET_KEY) -> TwistedSDK:
        """
        An SDK as servers use it.
        """
        return TwistedSDK(self.clock, URL, secretKey, agent=self.agent())

    def openTransport(self, address: Address, user: ITransportUser) -> ITransport:
        """
        Make the transport of a client.
        """
        return MemoryWire(self.entrance, address, user)

    def _admit(self, address: Address, connect: Callable[[str], IConnection]) -> Session:
        if not self.reachable:
            raise ConnectionRefusedError
        credentials = Credentials(address.projectId, address.userId, address.key, address.token)
        identity = self.authenticator.identify(credentials, self.wall())
        return self._makeSession(connect(self.newConnectionId()), identity)

    def agent(self) -> RequestTraversalAgent:
        """
        Make what makes HTTP requests to the daemon.
        """
        resources = makeResources(
            self.clock,
            self.wall,
            self._services,
            self.authenticator,
            self.shares,
            self.history,
            self.projects,
            self.limits,
            self.newConnectionId,
        )
        agent = RequestTraversalAgent(resources)
        self._agents.add(agent)
        return agent

    def cut(self) -> None:
        """
        Break every connection of L{realtime}'s clients, without a close.
        """
        for wire in tuple(self.wires):
            wire.cut()

    def step(self) -> None:
        """
        Let the reactor turn once: make the calls that are due, but not those that they schedule.
        """
        clock = self.clock
        for call in tuple(clock.calls):
            if call.getTime() <= clock.seconds() and call.active():
                clock.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)

    def turn(self) -> None:
        """
        Let the reactor turn until the daemon and the clients have sent everything.
        """
        for _ in range(1000):
            for agent in tuple(self._agents):
                agent.flush()
            due = [
                call
                for call in self.clock.getDelayedCalls()
                if call.getTime() <= self.clock.seconds()
            ]
            if not due:
                # Sessions that are over are not kept in memory.
                self._openSessions()
                return
            self.clock.advance(0)
        raise AssertionError("the reactor never comes to rest")

    def advance(self, seconds: float) -> None:
        """
        Let time pass, and do the daemon's work of each second.
        """
        while seconds > 0:
            step = min(1.0, seconds)
            self.clock.advance(step)
            seconds -= step
            for session in self.deadlines.expire(self.clock.seconds()):
                session.due()  # type: ignore[attr-defined]
            works = (
                self.backbone.roster.sweep,
                self.backbone.publisher.endValues,
                self.streams.expiry.sweep,
                self.streams.checkpoints.sweep,
            )
            for _ in chain(*(work() for work in (*works, self.backbone.sequencer.expire))):
                pass
