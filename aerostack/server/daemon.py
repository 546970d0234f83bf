"""
The daemon, put together from its configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from random import random
from typing import Any
from uuid import uuid4

from twisted.application.service import MultiService
from twisted.internet.defer import DeferredList, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import Logger
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
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.topics.patterns import Patterns
from aerostack.databases.backend import Unusable
from aerostack.databases.history import History
from aerostack.databases.open import openBackend
from aerostack.engine.memory import MemoryEngine
from aerostack.examples.server import Examples
from aerostack.hub.hub import Hub
from aerostack.hub.publishing import ownerOf
from aerostack.interfaces.messaging import IConnection
from aerostack.net.endpoints import serverEndpoint
from aerostack.net.tls import TLSError
from aerostack.net.websocket.connections import Connections
from aerostack.net.websocket.gate import Gate
from aerostack.process.lag import LagMonitor
from aerostack.process.stopping import DATABASE, bounded
from aerostack.protocol.deflate import Compressor
from aerostack.recovery.recovery import Recovery
from aerostack.server.console import Console
from aerostack.server.health import Health
from aerostack.server.housekeeping import Housekeeping
from aerostack.server.listening import Listening, StartError
from aerostack.server.policies import makePolicies, snapshotBounds
from aerostack.server.queries import Queries
from aerostack.server.reload import changesRights, merge, reauthorizeAll, sectionsThatWait
from aerostack.server.site import SiteMap, openProject
from aerostack.sessions.context import SessionContext
from aerostack.sessions.draining import drain
from aerostack.sessions.rpc import RPC
from aerostack.sessions.session import Session
from aerostack.settings.addresses import Proxies
from aerostack.settings.settings import Config
from aerostack.tables.feed import TableFeed
from aerostack.tracker.faults import describe
from aerostack.tracker.tracker import ChangeTracker

MAX_REPEATS = 50_000
"""How many publications the daemon remembers, to recognize them when a client publishes again."""


class Daemon(MultiService):
    """
    Everything that one configuration describes.

    @ivar listening: The addresses that the daemon listens on.
    @ivar health: Reports whether the daemon does its work.
    """

    log = Logger()

    def __init__(self, config: Config, reactor: Any, wall: Callable[[], float] = time.time) -> None:
        """
        @param reactor: Its clock measures intervals.  L{aerostack.process.steady.makeSteady} makes
            it independent of the time of day.
        @param wall: Gives the time of day, seconds since the epoch.
        """
        super().__init__()
        self.config = config
        self._reactor = reactor
        self._wall = wall
        limits = config.limits
        self._backend = openBackend(config.database)
        self._pools = self._backend.pools(reactor)
        self._watch = self._backend.health(reactor, self._pools)
        self._watch.setServiceParent(self)
        self.history = History(
            self._pools.history,
            self._backend.dialect,
            config.history.maxAge,
            config.history.maxCount,
            self._backend.restored,
        )
        self.authenticator = Authenticator(config.projects)
        policies = makePolicies(config)
        # The ids of two runs differ, so that positions and log lines of two runs differ.
        run = uuid4().hex[:6]
        epochs, serial = count(1), count(1)
        self.hub = Hub(
            reactor,
            wall,
            MemoryEngine(),
            self.history,
            Presence(config.presence.grace),
            lambda: uuid4().hex,
            policies,
            TopicLogs(
                lambda topic: policies.of(topic).depth,
                lambda: f"{run}{next(epochs):x}",
                config.replay.memory,
            ),
            IdempotencyCache(config.replay.repeatWindow, MAX_REPEATS, ownerOf),
        )
        self.tracker = self._makeTracker()
        self.feeds = TableFeed(
            reactor,
            self.hub.now,
            self.hub.delivery,
            Patterns(config.tracker.tables),
            Access(config.projects, config.tables),
            config.projects,
            self.tracker,
        )
        self.recovery = Recovery(
            reactor,
            self.hub,
            self.feeds,
            self.history,
            config.replay.replay,
            snapshotBounds(limits),
        )
        deadlines = Deadlines()
        self.traces = Traces()
        self.quotas = Quotas(config.projects, limits.connectionsPerAddress)
        self._context = SessionContext(
            reactor,
            wall,
            self.hub,
            self.feeds,
            self.recovery,
            self.authenticator,
            limits,
            deadlines,
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
        self._drainPlan = DrainPlan(server.restartTime, server.reconnectSpread, random)
        self._gate = Gate(
            reactor,
            limits,
            self.connections,
            self.quotas,
            self.admission,
            self._drainPlan,
            Proxies(server.trustedProxies),
        )
        self._queries = Queries(self._backend, self._pools.query, limits, self.tracker.poke)
        self.rpc = RPC(self.hub, self.authenticator, self.feeds.permit, limits, self._queries.run)
        self.health = Health(
            self.connections,
            self.quotas,
            self.hub,
            self.feeds,
            self.tracker,
            self._databaseFault,
            lambda: self._backend.restored.sentence,
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
            self.health,
        )
        self.console.setServiceParent(self)
        self._site = self._makeSite()
        self.listening = Listening(reactor, self._site.root, limits)
        # Breaks off the logs of projects that the last reload took out.
        self._leaving: Iterator[None] = iter(())
        Housekeeping(reactor, deadlines, self.hub, self.history).setServiceParent(self)
        LagMonitor(reactor, self.admission).setServiceParent(self)

    def _makeTracker(self) -> ChangeTracker:
        tracker = self.config.tracker
        return ChangeTracker(
            self._reactor,
            self._pools.tracker,
            self._backend.journal(tracker),
            tracker.pollInterval,
            wall=self._wall,
            reads=self._pools.reads,
            waker=self._backend.waker(self._reactor) if tracker.wake else None,
            retention=tracker.retention,
            # The journal must go on for as long as a client may come back for changes.
            grace=max(60.0, tracker.retention),
        )

    def _makeSession(self, connection: IConnection, identity: Identity) -> Session:
        self.log.debug(
            "opened by {role} for {userId!r}",
            role=identity.role.value,
            userId=identity.userId,
            connection=connection.connectionId,
        )
        return Session(connection, identity, self._context)

    def _databaseFault(self) -> str | None:
        """One sentence about what is wrong with the database; L{None} if nothing is."""
        failure = self.history.failure
        if failure is None:
            return self._watch.fault()
        return self._watch.fault() or f"Messages cannot be kept: the database {describe(failure)}."

    def _makeSite(self) -> SiteMap:
        return SiteMap(
            self._reactor,
            self._wall,
            self.config,
            self.authenticator,
            self.quotas,
            self._gate,
            self.connections,
            self.history,
            self.feeds.permit,
            self.rpc,
            self.health,
            {
                "aerostack_publish_to_socket_seconds": self.hub.publisher.latencies.histogram,
                "aerostack_commit_to_socket_seconds": self.feeds.latencies.histogram,
                "aerostack_event_loop_delay_seconds": self.console.sampler.turns,
                "aerostack_database_call_seconds": self._pools.calls(),
            },
            {
                **self.console.resources(),
                **(self._makeExamples() if self.config.server.examples else {}),
            },
        )

    def _makeExamples(self) -> Mapping[str, Resource]:
        """The pages of the examples, and the resources that these pages ask."""
        examples = Examples(
            self._reactor,
            self._wall,
            self.rpc,
            self.authenticator,
            self.quotas,
            openProject(self.config),
        )
        examples.setServiceParent(self)
        return examples.resources()

    # Starting

    def privilegedStartService(self) -> None:
        """
        Prepare the database and take the addresses, so that the operator learns of a fault before
        anything runs.

        @raise StartError: The database or an address cannot be used; the message says why.
        """
        try:
            # The reactor does not turn yet, so this may block.
            newest = self._backend.prepare(
                int((self._wall() - self.config.replay.repeatWindow) * 1000),
                MAX_REPEATS,
                self.hub.publisher.remember,
            )
        except Unusable as error:
            raise StartError(f"{self.config.database.url} cannot be used: {error}") from None
        self.hub.delivery.floor = max(newest, self.hub.now())
        try:
            listeners = [
                serverEndpoint(self._reactor, description, self.config.path.parent)
                for description in self.config.server.listen
            ]
        except (ValueError, TLSError) as error:
            raise StartError(f"cannot listen: {error}") from None
        for listener in listeners:
            self.listening.listen(listener)
        super().privilegedStartService()

    def startService(self) -> None:
        self._pools.start()
        self.tracker.start(self.feeds)
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
        Refuse new clients, close the connections, write what waits for the database, and stop.
        The daemon cuts every step that takes longer than L{aerostack.process.stopping} allows.
        """
        self._pools.giveUp(DATABASE)
        yield bounded(self._reactor, self._leave, self._dropClients, self._pools.sever)
        self._pools.close()
        self.log.info("stopped")

    @inlineCallbacks
    def _leave(self) -> Any:
        self.connections.stopping = self.connections.intake.stopped = True
        # systemd keeps its sockets open: a client that connects to one waits for the next daemon.
        # A client at another address gets an answer now, which says when to come back.
        yield self.listening.stop(inherited=True)
        yield drain(self._reactor, self.connections.sessions(), self._drainPlan)
        yield self.listening.stop(inherited=False)
        yield self._waitForClients()
        yield super().stopService()
        # Let the calls end that wait for the database.
        yield DeferredList([self.tracker.stop(), self.history.flushed()], consumeErrors=True)

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
        Take over the settings that can change while connections are open: projects and their
        keys, limits, tables and the rules for reading them, trusted proxies, how a stop spreads
        clients, which clients reach the console, and certificates.

        The log reports a certificate that cannot be served, and the old one stays.
        """
        before, self.config = self.config, merge(self.config, config)
        for name in sectionsThatWait(config, self.config):
            self.log.warn("[{name}] has changed; it takes a restart", name=name)
        self._reloadRights(before)
        limits, server = self.config.limits, self.config.server
        self._context.reload(limits)
        self.recovery.reload(snapshotBounds(limits))
        self.rpc.reload(limits)
        self._queries.reload(limits)
        self.quotas.reload(self.config.projects, limits.connectionsPerAddress)
        self.admission.reload(limits)
        self.connections.reload(limits)
        self._gate.reload(limits, Proxies(server.trustedProxies))
        self._drainPlan.reload(server.restartTime, server.reconnectSpread)
        self.console.reload(server.console, limits)
        self._site.reload(limits)
        self.listening.reload(limits)

    def _reloadRights(self, before: Config) -> None:
        config = self.config
        self.authenticator.reload(config.projects)
        absent = before.projects.keys() - config.projects.keys()
        # A project that is served again finds none of its logs from before.
        for _ in self._leaving:
            pass
        self._leaving = self.hub.leaveProjects(absent)
        changed = changesRights(before, config)
        self.feeds.reload(
            Patterns(config.tracker.tables),
            config.projects,
            Access(config.projects, config.tables) if changed else None,
        )
        if changed:
            reauthorizeAll(
                self._reactor,
                self._leaving,
                self.authenticator,
                self.connections.sessions,
                self.console.taps,
            )
