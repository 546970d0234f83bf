"""
Stand-ins for what is outside, for our tests and for yours.

Each does what the real one promises, at once and in memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from zope.interface import implementer

from aerostack.auth import Authenticator, Credentials
from aerostack.client.address import Address
from aerostack.client.endings import Ending, broken, closed, refused
from aerostack.client.interfaces import IWire, IWireUser
from aerostack.client.realtime import RealtimeClient
from aerostack.client.sdk import TwistedSDK
from aerostack.core.access import Access
from aerostack.core.changes import DELETE, Change, Row
from aerostack.core.columns import Columns, ColumnType
from aerostack.core.deadlines import Deadlines
from aerostack.core.messages import Kept, Message
from aerostack.core.patterns import Patterns
from aerostack.core.presence import Presence
from aerostack.core.quotas import Quotas
from aerostack.core.repeats import Repeats
from aerostack.core.rules import Rule, Rules
from aerostack.core.selection import Bounds, Selection, Snapshot, collect
from aerostack.core.stream import EXPIRED, UNKNOWN, Depth
from aerostack.core.streams import Streams
from aerostack.core.traces import Traces
from aerostack.engine.memory import MemoryEngine
from aerostack.errors import RealtimeError
from aerostack.feeds import TableFeeds
from aerostack.hub import Hub
from aerostack.interfaces import (
    IChangeListener,
    IChangeTracker,
    IConnection,
    IDatabase,
    IHistory,
)
from aerostack.net.api import HistoryResource, RPCResource, makeRoot
from aerostack.recovery import Recovery
from aerostack.rpc import RPC
from aerostack.session import Session
from aerostack.settings import LimitsConfig, ProjectConfig, TableConfig
from aerostack.surroundings import Surroundings
from aerostack.tracker.journal import Lag
from aerostack.wire.codec import encodeValue

T = TypeVar("T")

Frame = dict[str, Any]

PUBLIC_KEY = "pk_0123456789abcdef"
SECRET_KEY = "sk_0123456789abcdef"
URL = "ws://world.test"
TOKEN_SECRET = "a shared secret of thirty-two by"


def readFrames(data: bytes) -> list[Frame]:
    """
    Read what the daemon wrote to a socket: whole, unmasked text frames
    (RFC 6455, 5.2).
    """
    frames = []
    while data:
        assert data[0] == 0x81, f"not a final text frame: {data[:20]!r}"
        length, start = data[1], 2
        if length == 126:
            length, start = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10], "big"), 10
        frames.append(json.loads(data[start : start + length]))
        data = data[start + length :]
    return frames


@implementer(IConnection)
class MemoryConnection:
    """
    A socket that keeps what is sent.

    @ivar frames: Every frame that was sent, decoded.
    @ivar pings: How many pings were sent.
    @ivar closing: The code and reason of the close that was begun, or L{None}.
    @ivar aborted: Whether the connection was dropped.
    """

    def __init__(self, connectionId: str) -> None:
        self.connectionId = connectionId
        self.address: str | None = None
        self.compressed = False
        self.frames: list[Frame] = []
        self.pings = 0
        self.closing: tuple[int, str] | None = None
        self.aborted = False

    def send(self, frame: bytes) -> None:
        self.frames.extend(readFrames(frame))

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        self.closing = (code, reason)

    def abort(self) -> None:
        self.aborted = True


@implementer(IHistory)
class MemoryHistory:
    """
    A history that forgets when the process ends.

    @ivar messages: Everything that was kept, oldest first.
    @ivar held: While this is a list, what is appended waits in it, and L{release}
        keeps it.
    @ivar reading: While this is a list, questions about the past wait in it; call them
        yourself.
    """

    def __init__(self) -> None:
        self.messages: list[Kept] = []
        self.held: list[tuple[Message, Deferred[Kept]]] | None = None
        self.reading: list[Callable[[], None]] | None = None

    def append(self, message: Message) -> Deferred[Kept]:
        kept: Deferred[Kept] = Deferred()
        if self.held is not None:
            self.held.append((message, kept))
        else:
            self._keep(message, kept)
        return kept

    def release(self) -> None:
        """
        Keep what was held.
        """
        held, self.held = self.held or [], None
        for message, kept in held:
            self._keep(message, kept)

    def refuse(self) -> None:
        """
        Lose what was held, as if the database had failed.
        """
        held, self.held = self.held or [], None
        for _, kept in held:
            kept.errback(RealtimeError("database_unavailable", "It could not be kept.", 1000))

    def _keep(self, message: Message, kept: Deferred[Kept]) -> None:
        newest = max(
            (k.createdAt for k in self.messages if k.message.topic == message.topic), default=0
        )
        self.messages.append(Kept(message, max(message.timestamp, newest + 1)))
        kept.callback(self.messages[-1])

    def page(self, topic: str, limit: int, before: int | None) -> Deferred[list[Kept]]:
        found = [
            kept
            for kept in reversed(self.messages)
            if kept.message.topic == topic and (before is None or kept.createdAt < before)
        ]
        return succeed(found[:limit])

    def surveyPast(
        self, topic: str, after: int, until: int, most: int, now: int
    ) -> Deferred[str | None]:
        known = any(kept.message.topic == topic for kept in self.messages)
        return _answer(self.reading, None if known else UNKNOWN.reason)

    def readPast(self, topic: str, after: int, until: int, limit: int) -> Deferred[list[Kept]]:
        found = [
            kept
            for kept in self.messages
            if kept.message.topic == topic and after < kept.createdAt <= until
        ]
        return _answer(self.reading, found[:limit])

    def expire(self, now: int) -> Deferred[int]:
        return succeed(0)


def _answer(reading: list[Callable[[], None]] | None, answer: T) -> Deferred[T]:
    """Answer a question, at once or when the test says so."""
    answered: Deferred[T] = Deferred()
    if reading is None:
        answered.callback(answer)
    else:
        reading.append(lambda: answered.callback(answer))
    return answered


@implementer(IChangeTracker)
class MemoryTracker:
    """
    A tracker of tables that exist only by name.

    @ivar tables: The tables that can be watched.
    @ivar shape: What columns each of them has.
    @ivar watched: How many interests each watched table has.
    @ivar asked: While this is a list, watches wait in it; fire them yourself.
    @ivar waiting: See L{IChangeTracker}.
    @ivar reading: As L{MemoryHistory.reading}.
    @ivar changes: Every change that L{change} told.
    @ivar fault: What questions about the past fail with, if anything.
    @ivar forgotten: Changes up to this number cannot be told again.
    """

    def __init__(self, listener: IChangeListener, tables: tuple[str, ...] = ("orders",)) -> None:
        self.listener = listener
        self.tables = tables
        self.shape: Columns = {
            "id": ColumnType.NUMBER,
            "status": ColumnType.TEXT,
            "side": ColumnType.NUMBER,
        }
        self._described: set[str] = set()
        self.watched: dict[str, int] = {}
        self.asked: list[Callable[[], None]] | None = None
        self.waiting: Lag | None = None
        self.reading: list[Callable[[], None]] | None = None
        self.changes: list[Change] = []
        self.fault: Exception | None = None
        self.forgotten = 0
        self.position = 0

    def watch(self, table: str) -> Deferred[str]:
        found = next((name for name in self.tables if name.lower() == table.lower()), None)
        if found is None:
            return fail(RealtimeError("unknown_table", f"There is no table {table}."))
        watching: Deferred[str] = Deferred()

        def fire() -> None:
            self.watched[found] = self.watched.get(found, 0) + 1
            watching.callback(found)

        if self.asked is None:
            fire()
        else:
            self.asked.append(fire)
        return watching

    def watchedTables(self) -> list[str]:
        return list(self.watched)

    def unwatch(self, table: str) -> None:
        self.watched[table] -= 1
        if not self.watched[table]:
            del self.watched[table]

    def change(self, *changes: Change, last: bool = True) -> None:
        """
        Tell of changes, and remember them.

        @param last: Whether their transaction ends with them.
        """
        changes = (*changes[:-1], replace(changes[-1], last=last))
        self.changes.extend(changes)
        self.position = changes[-1].seq
        self.listener.changed(changes)

    def alter(self, shape: Columns) -> None:
        """
        Give the tables other columns.
        """
        self.shape = shape
        for table in self.tables:
            self.listener.tableAltered(table, shape)

    def lineage(self, table: str) -> str:
        return "j1"

    def columns(self, table: str) -> Deferred[Columns]:
        def told(shape: Columns) -> Columns:
            # What was told once is remembered.
            self._described.add(table)
            return shape

        known = table in self._described
        return _answer(None if known else self.reading, self.shape).addCallback(told)

    def surveyPast(
        self, table: str, lineage: str, after: int, until: int, most: int | None
    ) -> Deferred[str | None]:
        if self.fault is not None:
            return fail(self.fault)
        if lineage != "j1":
            return _answer(self.reading, UNKNOWN.reason)
        return _answer(self.reading, EXPIRED.reason if after < self.forgotten else None)

    def snapshot(self, table: str, selection: Selection, bounds: Bounds) -> Deferred[Snapshot]:
        rows: list[Row] = []
        for change in self.changes:
            if change.table == table:
                if change.old is not None:
                    rows.remove(change.old)
                if change.operation != DELETE:
                    rows.append(change.data)
        try:
            found, size = collect(rows, selection, bounds)
        except RealtimeError as error:
            return fail(error)
        return _answer(self.reading, Snapshot(found, self.position, "j1", size))

    def readPast(
        self,
        table: str,
        lineage: str,
        after: int,
        until: int,
        limit: int,
        size: int | None = None,
    ) -> Deferred[list[Change]]:
        if self.fault is not None:
            return fail(self.fault)
        found: list[Change] = []
        left = size
        for change in self.changes:
            if len(found) == limit or (left is not None and left <= 0):
                break
            if change.table == table and after < change.seq <= until:
                found.append(change)
                left = None if left is None else left - len(str(change.data))
        return _answer(self.reading, found)

    def poke(self) -> None:
        pass

    def lag(self) -> float:
        return 0.0

    def health(self) -> str | None:
        return None


@implementer(IDatabase)
class SynchronousDatabase:
    """
    A real SQLite file whose interactions run at once, on the caller's thread.
    """

    def __init__(self, path: Path | str) -> None:
        self.connection = sqlite3.connect(str(path), isolation_level=None, timeout=0)
        self.connection.text_factory = lambda data: data.decode("utf-8", "replace")

    def run(self, interaction: Callable[..., T], *args: Any) -> Deferred[T]:
        with closing(self.connection.cursor()) as cursor:
            try:
                return succeed(interaction(cursor, *args))
            except Exception as error:
                if self.connection.in_transaction:
                    self.connection.rollback()
                return fail(error)

    def close(self) -> None:
        """
        Close the file.
        """
        self.connection.close()


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
    @ivar reachable: Whether clients of L{realtime} can connect.
    @ivar wires: Their connections.
    """

    def __init__(
        self,
        projects: Mapping[str, ProjectConfig] | None = None,
        limits: LimitsConfig | None = None,
        grace: float = 10.0,
        tables: tuple[str, ...] = ("orders",),
        rules: Rules | None = None,
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
        self._rules = rules or Rules([], Rule(Depth(1000, 1_000_000, 300.0)))
        self._ids = iter(range(1, 1_000_000))
        self._epochs = iter(range(1, 1_000_000))
        self._serial = iter(range(1, 1_000_000))
        self.reachable = True
        self.wires: list[MemoryWire] = []
        self._begin()

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
        for kept in self.history.messages:
            self.hub.floor = max(self.hub.floor, kept.createdAt)
            self.hub.remember(kept)

    def _begin(self) -> None:
        rules = self._rules
        self.hub = Hub(
            self.clock,
            MemoryEngine(),
            self.history,
            Presence(self._grace),
            lambda: f"m{next(self._ids)}",
            rules,
            Streams(
                lambda topic: rules.of(topic).depth,
                lambda: f"e{next(self._epochs)}",
                10_000_000,
            ),
            Repeats(120.0, 1000),
        )
        self.feeds = TableFeeds(
            self.hub,
            Patterns(["*"]),
            Access(self.projects, self._access),
            self.projects,
            self._makeTracker,
        )
        self.authenticator = Authenticator(self.projects)
        self.deadlines = Deadlines()
        self.traces = Traces()
        self.quotas = Quotas(self.projects, self.limits.connectionsPerAddress)
        self.recovery = Recovery(
            self.clock, self.hub, self.feeds, self.history, 1000, Bounds(1000, 1_000_000, 1.0)
        )
        self.surroundings = Surroundings(
            self.clock,
            self.hub,
            self.feeds,
            self.recovery,
            self.authenticator,
            self.limits,
            self.deadlines,
            self.quotas,
            self.traces,
        )
        self.rpc = RPC(self.hub, self.authenticator, self.limits, self._query)

    def _makeTracker(self, listener: IChangeListener) -> MemoryTracker:
        self.tracker = MemoryTracker(listener, self._tables)
        return self.tracker

    def _query(self, sql: str, parameters: list[Any]) -> Deferred[dict[str, Any]]:
        self.queries.append((sql, parameters))
        return succeed({"results": [], "success": True, "meta": {}})

    def connect(self, **credentials: Any) -> MemoryClient:
        """
        Let a client in.

        @param credentials: Those of L{Credentials}; the project is C{p} if nothing
            else names one.
        """
        if not credentials.keys() & {"projectId", "key", "token"}:
            credentials["projectId"] = "p"
        identity = self.authenticator.identify(Credentials(**credentials), self.clock.seconds())
        return MemoryClient(self, MemoryConnection(f"c{next(self._serial)}"), identity)

    def realtime(self, **options: Any) -> RealtimeClient:
        """
        A client as applications use it.

        @param options: Those of L{RealtimeClient}; the project is C{p} if nothing else
            names one.
        """
        if not options.keys() & {"projectId", "apiKey", "token"}:
            options["projectId"] = "p"
        return RealtimeClient(
            self.clock, URL, openWire=self._openWire, agent=self._agent(), **options
        )

    def sdk(self, secretKey: str = SECRET_KEY) -> TwistedSDK:
        """
        What servers use.
        """
        return TwistedSDK(self.clock, URL, secretKey, agent=self._agent())

    def _openWire(self, address: Address, user: IWireUser) -> IWire:
        return MemoryWire(self, address, user)

    def _agent(self) -> RequestTraversalAgent:
        quotas, limits = self.quotas, self.limits
        return RequestTraversalAgent(
            _Unbounded(
                makeRoot(
                    {
                        "api/v1/public/realtime/history": HistoryResource(
                            self.history, self.authenticator, self.clock, limits, 500, quotas
                        ),
                        "internal/hooks/rpc": RPCResource(
                            self.rpc, self.authenticator, self.clock, quotas
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
            self.hub.attendance.sweep()


class MemoryClient:
    """
    A client of a L{World}.

    @ivar positions: Whether L{take} shows the positions of frames.
    """

    positions = False

    def __init__(self, world: World, connection: MemoryConnection, identity: Any) -> None:
        self._world = world
        self.connection = connection
        self.session = Session(connection, identity, world.surroundings)

    @property
    def connectionId(self) -> str:
        """The connection's id."""
        return self.connection.connectionId

    def send(self, **frame: Any) -> None:
        """
        Send a frame.
        """
        self.sendRaw(json.dumps(frame).encode())

    def sendRaw(self, payload: bytes, isBinary: bool = False) -> None:
        """
        Send a message as it is.
        """
        self.session.heard()
        self.session.received(payload, isBinary)

    def take(self) -> list[Frame]:
        """
        Everything that came since this was last called.
        """
        self._world.turn()
        frames, self.connection.frames = self.connection.frames, []
        if not self.positions:
            for frame in frames:
                frame.pop("pos", None)
        return frames

    def ask(self, **frame: Any) -> list[Frame]:
        """
        Send a frame, and take everything that came since.
        """
        self.send(**frame)
        return self.take()

    def close(self) -> None:
        """
        Close as one should.
        """
        self.session.closed(clean=True)

    def die(self) -> None:
        """
        Be gone without a word.
        """
        self.session.closed(clean=False)


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


@implementer(IWire)
class MemoryWire:
    """
    A connection between a client and a L{World}.  What is sent on it, either way, arrives
    in the next turn.
    """

    def __init__(self, world: World, address: Address, user: IWireUser) -> None:
        self._world = world
        self._address = address
        self._user = user
        self._session: Session | None = None
        self._over = False

    # From the client

    def open(self) -> None:
        self._later(self._knock)

    def send(self, payload: bytes) -> None:
        self._later(self._reach, payload)

    def close(self, code: int, reason: str) -> None:
        self._user.closing()
        self._later(self._end, closed(code, reason), True)

    def abort(self) -> None:
        self._later(self._end, broken("The connection was dropped."), False)

    def cut(self) -> None:
        """
        Be gone without a word.
        """
        self._end(broken("The connection is gone."), False)

    # To the daemon

    def _knock(self) -> None:
        world, address = self._world, self._address
        if not world.reachable:
            self._end(broken("Nobody is there."), False)
            return
        credentials = Credentials(address.projectId, address.userId, address.key, address.token)
        try:
            identity = world.authenticator.identify(credentials, world.clock.seconds())
        except RealtimeError as error:
            body = {"error": error.code, "message": error.message, "retryAfter": error.retryAfter}
            self._end(refused(error.http, None, encodeValue(body)), False)
            return
        connection = _FarEnd(f"c{next(world._serial)}", self)
        self._session = Session(connection, identity, world.surroundings)
        world.wires.append(self)
        self._user.opened()

    def _reach(self, payload: bytes) -> None:
        if self._session is not None:
            self._session.heard()
            self._session.received(payload, False)

    # From the daemon

    def deliver(self, data: bytes) -> None:
        """
        Let the client receive what the daemon sends.
        """
        for received in readFrames(data):
            self._later(self._user.received, encodeValue(received))

    def pinged(self) -> None:
        """
        Let the client be pinged, and answer.
        """
        self._later(self._user.heard)
        if self._session is not None:
            self._later(self._session.heard)

    def left(self, ending: Ending) -> None:
        """
        Let the client know that the daemon has closed.
        """
        self._later(self._user.closing)
        self._later(self._end, ending, False)

    def _later(self, call: Callable[..., None], *args: Any) -> None:
        def arrive() -> None:
            if not self._over:
                call(*args)

        self._world.clock.callLater(0, arrive)

    def _end(self, ending: Ending, clean: bool) -> None:
        self._over = True
        if self in self._world.wires:
            self._world.wires.remove(self)
        session, self._session = self._session, None
        if session is not None:
            session.closed(clean)
        self._user.closed(ending)


@implementer(IConnection)
class _FarEnd:
    """
    A L{MemoryWire} as the daemon sees it.
    """

    def __init__(self, connectionId: str, wire: MemoryWire) -> None:
        self.connectionId = connectionId
        self.address: str | None = None
        self.compressed = False
        self._wire = wire

    def send(self, frame: bytes) -> None:
        self._wire.deliver(frame)

    def ping(self) -> None:
        self._wire.pinged()

    def close(self, code: int, reason: str) -> None:
        self._wire.left(closed(code, reason))

    def abort(self) -> None:
        self._wire.cut()
