"""
A whole daemon in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.web.resource import Resource

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.client.address import Address
from aerostack.client.interfaces import ITransport, ITransportUser
from aerostack.client.realtime import RealtimeClient
from aerostack.client.sdk import TwistedSDK
from aerostack.core.access.tables import Access
from aerostack.core.diagnosis.traces import Traces
from aerostack.core.limits.deadlines import Deadlines
from aerostack.core.limits.quotas import Quotas
from aerostack.core.presence import Presence
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.log import Depth
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.rows.selection import Bounds
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.engine.memory import MemoryEngine
from aerostack.hub.hub import Hub
from aerostack.interfaces import IConnection
from aerostack.net.http.api import HistoryResource, RPCResource, makeRoot
from aerostack.recovery.recovery import Recovery
from aerostack.sessions.context import SessionContext
from aerostack.sessions.rpc import RPC
from aerostack.sessions.session import Session
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.tables import TableConfig
from aerostack.tables.feed import TableFeed
from aerostack.testing.clients import MemoryClient
from aerostack.testing.connections import MemoryConnection
from aerostack.testing.history import MemoryHistory
from aerostack.testing.tracker import MemoryTracker
from aerostack.testing.wires import Entrance, MemoryWire

PUBLIC_KEY = "pk_0123456789abcdef"
SECRET_KEY = "sk_0123456789abcdef"
URL = "ws://world.test"
TOKEN_SECRET = "a shared secret of thirty-two by"


def makeProject(**settings: Any) -> ProjectConfig:
    """
    A project C{p} with known keys, that lets everybody in.
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

    To test an application, give it clients of L{realtime} and an SDK of L{sdk}, call
    L{turn} where the network would have had its time, L{advance} where more has to pass,
    and make trouble with L{cut}.

    @ivar clock: Its time; begins at one billion seconds.
    @ivar stepped: By how many seconds the time of day was set since the beginning; timers
        do not go by it.
    @ivar reachable: Whether clients of L{realtime} can connect.
    @ivar entrance: What their connections need of the daemon.
    @ivar wires: Their connections.
    """

    def __init__(
        self,
        projects: Mapping[str, ProjectConfig] | None = None,
        limits: LimitsConfig | None = None,
        grace: float = 10.0,
        tables: tuple[str, ...] = ("orders",),
        rules: TopicPolicies | None = None,
        access: Mapping[str, TableConfig] | None = None,
    ) -> None:
        """
        @param tables: The tables that there are.
        @param rules: What holds for each topic.
        @param access: Who may read which tables, by patterns.
        """
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.projects = projects or {"p": makeProject()}
        self.limits = limits or LimitsConfig()
        self.history = MemoryHistory()
        self.queries: list[tuple[str, list[Any]]] = []
        self._grace = grace
        self._tables = tables
        self._access = access or {}
        self._rules = rules or TopicPolicies([], TopicPolicy(Depth(1000, 1_000_000, 300.0)))
        self._ids = iter(range(1, 1_000_000))
        self._epochs = iter(range(1, 1_000_000))
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
        Begin anew with what the database has.  Connections are not taken along: let them
        die before.
        """
        before = self.tracker
        self._begin()
        self.tracker.shape = before.shape
        self.tracker.changes = before.changes
        self.tracker.forgotten = before.forgotten
        self.tracker.position = before.changes[-1].seq if before.changes else 0
        self.tracker.reading = before.reading
        self.hub.delivery.floor = self.hub.now()
        for kept in self.history.messages:
            self.hub.delivery.floor = max(self.hub.delivery.floor, kept.createdAt)
            self.hub.publisher.remember(kept)

    def _begin(self) -> None:
        rules = self._rules
        self.hub = Hub(
            self.clock,
            self.wall,
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
            IdempotencyCache(120.0, 1000),
        )
        self.tracker = MemoryTracker(self._tables)
        self.feeds = TableFeed(
            self.clock,
            self.hub.now,
            self.hub.delivery,
            Patterns(["*"]),
            Access(self.projects, self._access),
            self.projects,
            self.tracker,
        )
        self.tracker.listener = self.feeds
        self.authenticator = Authenticator(self.projects)
        self.deadlines = Deadlines()
        self.traces = Traces()
        self.quotas = Quotas(self.projects, self.limits.connectionsPerAddress)
        self.recovery = Recovery(
            self.clock, self.hub, self.feeds, self.history, 1000, Bounds(1000, 1_000_000, 1.0)
        )
        self.surroundings = SessionContext(
            self.clock,
            self.wall,
            self.hub,
            self.feeds,
            self.recovery,
            self.authenticator,
            self.limits,
            self.deadlines,
            self.quotas,
            self.traces,
        )
        self.rpc = RPC(self.hub, self.authenticator, self.feeds.permit, self.limits, self._query)

    def _query(self, sql: str, parameters: list[Any]) -> Deferred[dict[str, Any]]:
        self.queries.append((sql, parameters))
        return succeed({"results": [], "success": True, "meta": {}})

    def newConnectionId(self) -> str:
        """
        The id of the next connection.
        """
        return f"c{next(self._serial)}"

    def connect(self, client: str | None = None, **credentials: Any) -> MemoryClient:
        """
        Let a client in.

        @param client: What stands for its session secret.
        @param credentials: Those of L{Credentials}; the project is C{p} if nothing
            else names one.
        """
        if not credentials.keys() & {"projectId", "key", "token"}:
            credentials["projectId"] = "p"
        identity = self.authenticator.identify(Credentials(**credentials), self.wall())
        connection = MemoryConnection(self.newConnectionId())
        connection.client = client
        session = Session(connection, identity, self.surroundings)
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
            self.clock, URL, openTransport=self._openTransport, agent=self._agent(), **options
        )

    def sdk(self, secretKey: str = SECRET_KEY) -> TwistedSDK:
        """
        What servers use.
        """
        return TwistedSDK(self.clock, URL, secretKey, agent=self._agent())

    def _openTransport(self, address: Address, user: ITransportUser) -> ITransport:
        return MemoryWire(self.entrance, address, user)

    def _admit(self, address: Address, connect: Callable[[str], IConnection]) -> Session:
        if not self.reachable:
            raise ConnectionRefusedError
        credentials = Credentials(address.projectId, address.userId, address.key, address.token)
        identity = self.authenticator.identify(credentials, self.wall())
        return Session(connect(self.newConnectionId()), identity, self.surroundings)

    def _agent(self) -> RequestTraversalAgent:
        quotas, limits = self.quotas, self.limits
        return RequestTraversalAgent(
            _Unbounded(
                makeRoot(
                    {
                        "api/v1/public/realtime/history": HistoryResource(
                            self.history,
                            self.authenticator,
                            self.feeds.permit,
                            self.clock,
                            self.wall,
                            limits,
                            500,
                            quotas,
                        ),
                        "internal/hooks/rpc": RPCResource(
                            self.rpc, self.authenticator, self.clock, self.wall, quotas
                        ),
                    }
                )
            )
        )

    def cut(self) -> None:
        """
        Take every connection of L{realtime}'s clients away, without a word.
        """
        for wire in tuple(self.wires):
            wire.cut()

    def step(self) -> None:
        """
        Let the reactor turn once: what is due is done, and what comes of that is not.
        """
        clock = self.clock
        for call in tuple(clock.calls):
            if call.getTime() <= clock.seconds() and call.active():
                clock.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)

    def turn(self) -> None:
        """
        Let the reactor turn until nothing is left to be sent.
        """
        for _ in range(1000):
            due = [
                call
                for call in self.clock.getDelayedCalls()
                if call.getTime() <= self.clock.seconds()
            ]
            if not due:
                return
            self.clock.advance(0)
        raise AssertionError("it never rests")

    def advance(self, seconds: float) -> None:
        """
        Let time pass, and do what is due every second.
        """
        while seconds > 0:
            step = min(1.0, seconds)
            self.clock.advance(step)
            seconds -= step
            for session in self.deadlines.expire(self.clock.seconds()):
                session.due()  # type: ignore[attr-defined]
            for _ in self.hub.presence.sweep():
                pass


class _Unbounded(Resource):
    """
    Serves resources to requests that are not bounded, since nobody else makes them.
    """

    def __init__(self, root: Resource) -> None:
        super().__init__()
        self._root = root

    def getChild(self, path: bytes, request: Any) -> Any:
        request.tooLarge = False
        return self._root.getChildWithDefault(path, request)
