"""
The daemon, put together from its configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from random import random
from typing import Any
from uuid import uuid4

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import Cooperator, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from aerostack import __version__
from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Identity
from aerostack.core.access.tables import Access
from aerostack.core.diagnosis.traces import Traces
from aerostack.core.limits.admission import Admission
from aerostack.core.limits.deadlines import Deadlines
from aerostack.core.limits.draining import DrainPlan
from aerostack.core.limits.quotas import Quotas
from aerostack.core.presence import Presence
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.log import Depth
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.rows.selection import Bounds
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.databases.backend import Unusable
from aerostack.databases.history import History
from aerostack.databases.open import openBackend
from aerostack.engine.memory import MemoryEngine
from aerostack.errors import RealtimeError
from aerostack.examples.server import Examples
from aerostack.hub.hub import Hub
from aerostack.interfaces import IChangeListener, IConnection
from aerostack.net.endpoints import Listener, serverEndpoint
from aerostack.net.http.api import (
    HealthResource,
    HistoryResource,
    RPCResource,
    makeRoot,
)
from aerostack.net.http.files import clientFiles, homeFiles, sharedFiles
from aerostack.net.http.metrics import MetricsResource
from aerostack.net.http.server import BoundedSite, Lobby
from aerostack.net.intake import Intake
from aerostack.net.tls import TLSError
from aerostack.net.websocket.connections import Connections
from aerostack.net.websocket.gate import Gate
from aerostack.net.websocket.resource import RealtimeResource
from aerostack.process.lag import LagMonitor
from aerostack.process.stopping import DATABASE, bounded
from aerostack.protocol.deflate import Compressor
from aerostack.recovery.recovery import Recovery
from aerostack.server.console import Console
from aerostack.server.health import Health
from aerostack.server.housekeeping import Housekeeping
from aerostack.sessions.context import SessionContext
from aerostack.sessions.draining import farewell
from aerostack.sessions.rpc import RPC
from aerostack.sessions.session import Session
from aerostack.settings.addresses import Proxies
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import SECTIONS, Config
from aerostack.tables.feed import TableFeed
from aerostack.tracker.faults import describe
from aerostack.tracker.tracker import ChangeTracker

MAX_REPEATS = 50_000
"""How many publications are remembered, to be recognized when they come again."""


class Daemon(MultiService):
    """
    Everything that one configuration asks for.

    @ivar ports: Where the daemon listens, once it has started.
    @ivar condition: How it does.
    """

    log = Logger()

    def __init__(self, config: Config, reactor: Any, wall: Callable[[], float] = time.time) -> None:
        """
        @param reactor: Its clock is for intervals; L{aerostack.process.steady.makeSteady} keeps
            it from being set.
        @param wall: Tells the time, seconds since the epoch.
        """
        super().__init__()
        self.config = config
        self.ports: list[IListeningPort] = []
        self._listeners: list[Listener] = []
        self._reactor = reactor
        self._wall = wall
        limits = config.limits
        self._backend = openBackend(config.database)
        self._pools = self._backend.pools(reactor)
        self._watch = self._backend.watch(reactor, self._pools)
        self._watch.setServiceParent(self)
        self.history = History(
            self._pools.history,
            self._backend.dialect,
            config.history.maxAge,
            config.history.maxCount,
        )
        self.authenticator = Authenticator(config.projects)
        rules = makeRules(config)
        # Ids are told apart across restarts too, so that positions and logs can be.
        run = uuid4().hex[:6]
        epochs, serial = count(1), count(1)
        self.hub = Hub(
            reactor,
            wall,
            MemoryEngine(),
            self.history,
            Presence(config.presence.grace),
            lambda: uuid4().hex,
            rules,
            TopicLogs(
                lambda topic: rules.of(topic).depth,
                lambda: f"{run}{next(epochs):x}",
                config.streams.memory,
            ),
            IdempotencyCache(config.streams.repeatWindow, MAX_REPEATS),
        )
        self.feeds = TableFeed(
            reactor,
            self.hub,
            Patterns(config.tracker.tables),
            Access(config.projects, config.tables),
            config.projects,
            self._makeTracker,
        )
        self._deadlines = Deadlines()
        self.traces = Traces()
        self.quotas = Quotas(config.projects, limits.connectionsPerAddress)
        self._surroundings = SessionContext(
            reactor,
            wall,
            self.hub,
            self.feeds,
            Recovery(
                reactor,
                self.hub,
                self.feeds,
                self.history,
                config.streams.replay,
                snapshotBounds(limits),
            ),
            self.authenticator,
            limits,
            self._deadlines,
            self.quotas,
            self.traces,
        )
        server = config.server
        self.connections = Connections(
            reactor,
            limits,
            self.quotas,
            self._makeSession,
            lambda: f"c{run}-{next(serial)}",
            Compressor(server.compressionThreshold, 1 << 20) if server.compression else None,
        )
        self.admission = Admission(limits, random)
        self._departures = DrainPlan(server.restartTime, server.reconnectSpread, random)
        self._gate = Gate(
            reactor,
            limits,
            self.connections,
            self.quotas,
            self.admission,
            self._departures,
            Proxies(server.trustedProxies),
        )
        self.rpc = RPC(self.hub, self.authenticator, self.feeds.permit, limits, self._query)
        self.condition = Health(
            self.connections, self.quotas, self.hub, self.feeds, self.tracker, self._databaseFault
        )
        self.console = Console(
            reactor,
            wall,
            server.console,
            self.authenticator,
            limits,
            self.hub,
            self.feeds,
            self.traces,
            self.connections.sessions,
            self.condition,
        )
        self.console.setServiceParent(self)
        self._root = self._makeRoot()
        self._lobby, self._intake = Lobby(limits), Intake(reactor)
        self._sites: list[BoundedSite] = []
        # Breaks off the logs of projects that the last reload took out.
        self._leaving: Iterator[None] = iter(())
        Housekeeping(reactor, self._deadlines, self.hub, self.history).setServiceParent(self)
        LagMonitor(reactor, self.admission).setServiceParent(self)

    def _makeTracker(self, listener: IChangeListener) -> ChangeTracker:
        tracker = self.config.tracker
        self.tracker = ChangeTracker(
            self._reactor,
            self._pools.tracker,
            self._backend.journal(tracker),
            listener,
            tracker.pollInterval,
            wall=self._wall,
            reads=self._pools.reads,
            waker=self._backend.waker(self._reactor) if tracker.wake else None,
            retention=tracker.retention,
            # As long as a client may come back for changes, there must be some.
            grace=max(60.0, tracker.retention),
        )
        return self.tracker

    def _makeSession(self, connection: IConnection, identity: Identity) -> Session:
        self.log.debug(
            "opened by {role} for {userId!r}",
            role=identity.role.value,
            userId=identity.userId,
            connection=connection.connectionId,
        )
        return Session(connection, identity, self._surroundings)

    def _query(self, sql: str, parameters: list[Any]) -> Deferred[dict[str, Any]]:
        limits = self._surroundings.limits

        def poke(result: dict[str, Any]) -> dict[str, Any]:
            # It may have written; whoever watches need not wait for the next tick.
            self.tracker.poke()
            return result

        def failed(failure: Failure) -> dict[str, Any]:
            failure.trap(*self._backend.dialect.passing)
            raise RealtimeError(
                "database_unavailable", "The database does not answer; try again.", 1000
            )

        return self._pools.query.run(
            self._backend.runQuery,
            sql,
            parameters,
            Bounds(limits.queryRows, limits.queryBytes, limits.querySeconds),
        ).addCallbacks(poke, failed)

    def _databaseFault(self) -> str | None:
        """What is wrong with the database, as a sentence."""
        failure = self.history.failure
        if failure is None:
            return self._watch.fault()
        return self._watch.fault() or f"Messages cannot be kept: the database {describe(failure)}."

    def _makeRoot(self) -> Resource:
        config, reactor = self.config, self._reactor
        self._realtime = RealtimeResource(
            self._gate,
            self.connections,
            self.authenticator,
            self._wall,
            config.server.queryCredentials,
        )
        self._historyResource = HistoryResource(
            self.history,
            self.authenticator,
            self.feeds.permit,
            reactor,
            self._wall,
            config.limits,
            config.history.pageSize,
            self.quotas,
        )
        return makeRoot(
            {
                **homeFiles(_openProject(config), config.server.examples),
                **sharedFiles(),
                **clientFiles(),
                **(self._makeExamples() if config.server.examples else {}),
                "api/realtime": self._realtime,
                "api/v1/public/realtime/history": self._historyResource,
                "internal/hooks/rpc": RPCResource(
                    self.rpc, self.authenticator, reactor, self._wall, self.quotas
                ),
                **self.console.resources(),
                "health": HealthResource(self.condition.health),
                "metrics": MetricsResource(
                    self.condition.metrics,
                    {
                        "aerostack_publish_to_socket_seconds": self.hub.latencies.histogram,
                        "aerostack_commit_to_socket_seconds": self.feeds.latencies.histogram,
                        "aerostack_event_loop_delay_seconds": self.console.sampler.turns,
                        "aerostack_database_call_seconds": self._pools.calls(),
                    },
                    self.authenticator,
                    self._wall,
                ),
            }
        )

    def _makeExamples(self) -> dict[str, Resource]:
        """The pages of the examples, and what they ask."""
        projectId = _openProject(self.config)
        examples = Examples(
            self._reactor, self._wall, self.rpc, self.authenticator, self.quotas, projectId
        )
        examples.setServiceParent(self)
        return examples.resources()

    # Starting

    def privilegedStartService(self) -> None:
        """
        Prepare the database and take the addresses, so that a fault is told before
        anything runs.

        @raise StartError: Something cannot be had; the message says what.
        """
        try:
            # The reactor does not turn yet, so nobody waits for this.
            found = self._backend.prepare(
                int((self._wall() - self.config.streams.repeatWindow) * 1000),
                MAX_REPEATS,
            )
        except Unusable as error:
            raise StartError(f"{self.config.database.url} cannot be used: {error}") from None
        self.hub.floor = max(found.newest, self.hub.now())
        for kept in found.repeatable:
            self.hub.remember(kept)
        try:
            listeners = [
                serverEndpoint(self._reactor, description, self.config.path.parent)
                for description in self.config.server.listen
            ]
        except (ValueError, TLSError) as error:
            raise StartError(f"cannot listen: {error}") from None
        for listener in listeners:
            self.listen(listener)
        super().privilegedStartService()

    def listen(self, listener: Listener) -> None:
        """
        Take an address, until the daemon stops.

        @raise StartError: It cannot be had; the message says why.
        """
        site = BoundedSite(
            self._root,
            self._reactor,
            self.config.limits,
            self._lobby,
            self._intake,
            listener.local,
        )
        faults: list[Any] = []
        listener.endpoint.listen(site).addCallbacks(self.ports.append, faults.append)
        if faults:
            raise StartError(
                f"cannot listen on {listener.description}: {faults[0].getErrorMessage()}"
            )
        self._listeners.append(listener)
        self._sites.append(site)

    def startService(self) -> None:
        self._pools.start()
        self.tracker.start()
        super().startService()
        self.log.info(
            "aerostack-rt {version} serves {database} on {listen}",
            version=__version__,
            database=self.config.database.url,
            listen=", ".join(self.config.server.listen),
        )

    # Stopping

    @inlineCallbacks
    def stopService(self) -> Any:
        """
        Let nobody in, send everybody away, keep what is to be kept, and stop.  What takes
        longer than L{aerostack.process.stopping} allows is cut.
        """
        self._pools.giveUp(DATABASE)
        yield bounded(self._reactor, self._leave, self._dropClients, self._pools.sever)
        self._pools.close()
        self.log.info("stopped")

    @inlineCallbacks
    def _leave(self) -> Any:
        self.connections.stopping = self.connections.intake.stopped = True
        # Systemd keeps its sockets open, and who comes by them waits for the next daemon;
        # others are better told when to come back than not answered.
        yield self._stopListening(inherited=True)
        yield farewell(self._reactor, self.connections.sessions(), self._departures)
        yield self._stopListening(inherited=False)
        yield self._waitForClients()
        yield super().stopService()
        # Let what waits for the database come to its end.
        yield DeferredList([self.tracker.stop(), self.history.flushed()], consumeErrors=True)

    def _stopListening(self, inherited: bool) -> Deferred[Any]:
        """Give up the addresses that systemd opened, or the others."""
        closing = [
            maybeDeferred(port.stopListening)
            for listener, port in zip(self._listeners, self.ports, strict=True)
            if listener.inherited == inherited
        ]
        return DeferredList(closing, consumeErrors=True)

    @inlineCallbacks
    def _waitForClients(self) -> Any:
        deadline = self._reactor.seconds() + self.config.limits.closeTimeout
        while len(self.connections) and self._reactor.seconds() < deadline:
            yield deferLater(self._reactor, 0.05)
        if len(self.connections):
            self._dropClients()
            yield deferLater(self._reactor, 0)

    def _dropClients(self) -> None:
        if len(self.connections):
            self.log.info("{n} clients did not answer the close", n=len(self.connections))
            self.connections.abort()

    # Reloading

    def reload(self, config: Config) -> None:
        """
        Take up what of a configuration can be taken up while connections are open:
        projects and their keys, limits, tables and who may read them, trusted proxies, how
        a stop spreads clients, from where the console can be reached, certificates.

        A certificate that cannot be served is told in the log, and the old one
        stays.
        """
        server = config.server
        rightsChanged = _rights(config) != _rights(self.config)
        absent = self.config.projects.keys() - config.projects.keys()
        self.config = replace(
            self.config,
            tracker=replace(self.config.tracker, tables=config.tracker.tables),
            limits=config.limits,
            projects=config.projects,
            tables=config.tables,
            server=replace(
                self.config.server,
                trustedProxies=server.trustedProxies,
                restartTime=server.restartTime,
                reconnectSpread=server.reconnectSpread,
                console=server.console,
            ),
        )
        for name in (*SECTIONS, "topics"):
            if getattr(config, name) != getattr(self.config, name):
                self.log.warn("[{name}] has changed; it takes a restart", name=name)
        self.authenticator.load(config.projects)
        self.feeds.allowed = Patterns(config.tracker.tables)
        self.feeds.projects = config.projects
        # A project that is served again finds none of its logs from before.
        for _ in self._leaving:
            pass
        self._leaving = self.hub.leaveProjects(absent)
        if rightsChanged:
            self.feeds.load(Access(config.projects, config.tables))
            self._judgeAgain()
        limits = config.limits
        self._surroundings.limits = limits
        self._surroundings.recovery.snapshots.bounds = snapshotBounds(limits)
        self._gate.limits = self._historyResource.limits = self.rpc.limits = limits
        self._gate.proxies = Proxies(server.trustedProxies)
        self.console.load(server.console, limits)
        self._departures.away = server.restartTime
        self._departures.spread = server.reconnectSpread
        self.quotas.load(config.projects, limits.connectionsPerAddress)
        self.admission.load(limits)
        self.connections.setLimits(limits)
        self._lobby.load(limits)
        for site in self._sites:
            site.load(limits)
        for listener in self._listeners:
            if listener.tls is not None:
                try:
                    listener.tls.reload()
                except TLSError as error:
                    self.log.error("the old certificate stays: {error}", error=error)

    def _judgeAgain(self) -> None:
        """Judge who may still be here, and what everybody is told."""

        def work() -> Iterator[None]:
            yield from self._leaving
            for session in self.connections.sessions():
                session.reconsider()
                yield
            self.console.watchers.judge(self.authenticator.judge)

        # All of them in one turn would keep everything else waiting.
        Cooperator(scheduler=partial(self._reactor.callLater, 0)).coiterate(work())


def _rights(config: Config) -> object:
    """What bears on who may do what, to be compared."""
    return config.projects, config.tables, config.tracker.tables


def snapshotBounds(limits: LimitsConfig) -> Bounds:
    """
    How much a subscription may begin with.
    """
    return Bounds(limits.snapshotRows, limits.snapshotBytes, limits.querySeconds)


def makeRules(config: Config) -> TopicPolicies:
    """
    What holds for each topic.
    """
    streams = config.streams
    default = TopicPolicy(Depth(streams.count, streams.size, streams.age))
    return TopicPolicies(
        [
            (
                pattern,
                TopicPolicy(
                    Depth(
                        streams.count if topic.count is None else topic.count,
                        streams.size if topic.size is None else topic.size,
                        streams.age if topic.age is None else topic.age,
                    ),
                    topic.whenSlow,
                    topic.slowKey,
                ),
            )
            for pattern, topic in config.topics.items()
        ],
        default,
    )


def _openProject(config: Config) -> str:
    """The project that needs no credential, for the page to begin with."""
    return next((p.id for p in config.projects.values() if p.anonymous), "")


class StartError(SystemExit):
    """
    The daemon cannot start.
    """
