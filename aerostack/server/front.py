"""
The part of the daemon that is where clients are: it opens their connections and serves them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import random
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import Logger

from aerostack.ai.models import Models
from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Identity
from aerostack.core.access.tables import Access
from aerostack.core.diagnosis.histogram import Histogram
from aerostack.core.limits.draining import DrainPlan
from aerostack.core.limits.lag import LagLimit
from aerostack.core.topics.patterns import Patterns
from aerostack.interfaces.messaging import IConnection
from aerostack.interfaces.operating import IProcesses
from aerostack.net.http.measured import Measured, Timings
from aerostack.net.http.metriclist import MODEL_REQUESTS, keyOf
from aerostack.net.http.refusing import RequestRefusals
from aerostack.net.websocket.connections import Connections
from aerostack.net.websocket.gate import Gate
from aerostack.process.lag import LagMonitor
from aerostack.process.usage import Usage
from aerostack.protocol.deflate import Compressor
from aerostack.recovery.interruptions import Interruptions
from aerostack.server.clients import clientTimings, clientValues
from aerostack.server.console import Console
from aerostack.server.health import Health, NodeReports
from aerostack.server.housekeeping import RevocationMaintenance, SessionMaintenance
from aerostack.server.keysets import KeyFetcher, KeyMaintenance
from aerostack.server.policies import snapshotBounds
from aerostack.server.reload import LeavingProjects, changesRights, reauthorizeAll
from aerostack.server.resources import ClientResources
from aerostack.server.runs import ConnectionIds
from aerostack.server.site import SiteMap
from aerostack.server.tracing import Tracing
from aerostack.sessions.draining import drain
from aerostack.sessions.services import ClientServices, NodeServices
from aerostack.sessions.session import Session
from aerostack.settings.addresses import Proxies
from aerostack.settings.settings import Config
from aerostack.workers.worker.memory import residentMemory

LEAVING = 0.5
"""Seconds for which a stop waits until the daemon has taken back what clients held."""


class Front(MultiService):
    """
    Everything that serves the clients of one process.

    @ivar authenticator: Accepts or refuses credentials.
    @ivar hub: Subscriptions, publications and presence.
    @ivar feeds: The changes of tables.
    @ivar rpc: Answers the calls of servers.
    @ivar interruptions: Takes what comes from the engine, if there is one.
    @ivar revocations: Reads the revocations of tokens from the database.
    @ivar connections: All WebSocket connections.
    @ivar lag: Refuses new connections while this process is behind with its work.
    @ivar health: Reports whether the daemon does its work.
    @ivar console: The resources of the console.
    @ivar tracing: Sends traces, if they are wanted.
    @ivar site: The tree of resources that every listener serves.
    @ivar searches: The durations of the searches of Python's garbage collector in this process.
    """

    log = Logger()

    def __init__(
        self,
        config: Config,
        reactor: Any,
        wall: Callable[[], float],
        run: str,
        node: NodeServices,
        reports: NodeReports,
        processes: IProcesses,
    ) -> None:
        """
        @param reactor: Its clock measures intervals.
        @param wall: Gives the time of day, seconds since the epoch.
        @param run: The id of this run, letters and digits: no two runs of a process have the same.
        @param node: What exists once on a machine.
        @param reports: What the node says of itself.
        @param processes: Asks every process of the daemon, and the other nodes.
        """
        super().__init__()
        self.config = config
        self.searches = Histogram()
        self._usage = Usage(reactor.seconds, residentMemory)
        self._reactor = reactor
        self._wall = wall
        self._node = node
        limits, server = config.limits, config.server
        # Twisted makes an event, and asks three filters, also for a line that is not written.
        self._logsOpenings = config.log.level == "debug"
        keys = KeyMaintenance(reactor, KeyFetcher(reactor).fetch)
        keys.setServiceParent(self)
        self.authenticator = Authenticator(config.projects, keySets=keys.sets)
        self._services = ClientServices(
            reactor,
            wall,
            node,
            self.authenticator,
            config.projects,
            Patterns(config.tracker.tables),
            Access(config.projects, config.tables),
            limits,
            config.replay.replay,
            snapshotBounds(limits),
            lambda: self.connections.sessions(),
        )
        self.hub = self._services.hub
        self.feeds = self._services.feeds
        self.rpc = self._services.rpc
        self.tracing = Tracing(reactor, config.tracing)
        self.tracing.setServiceParent(self)
        node.publisher.tracer = self.feeds.tracer = self.rpc.tracer = self.tracing.tracer
        self.interruptions = Interruptions(reactor, self.hub, self._services.recovery)
        self.connections = Connections(
            reactor,
            self.hub.delivery.turnEnd,
            limits,
            self._makeSession,
            ConnectionIds(run, wall),
            Compressor(server.compressionThreshold, 1 << 20) if server.compression else None,
        )
        self._drainPlan = DrainPlan(server.restartTime, server.reconnectSpread, random)
        self.lag = LagLimit(limits, random)
        self._gate = Gate(
            self.connections,
            node.shares,
            self.lag,
            self._drainPlan,
            Proxies(server.trustedProxies),
        )
        self.health = Health(
            self.connections,
            lambda: self._services.context.subscriptions,
            self.hub,
            self.feeds,
            node.tracker,
            reports,
        )
        self.console = Console(
            reactor,
            wall,
            server.console,
            self.authenticator,
            limits,
            self.hub,
            self.feeds,
            self._services.traces,
            self.connections.sessions,
            self.health,
            self._measure,
            processes,
            node.refusals,
        )
        self.console.setServiceParent(self)
        self._models = Models(reactor, config.ai.models or {}, config.projects, wall)
        self._models.setServiceParent(self)
        self._reports = reports
        self._resources = ClientResources(
            reactor,
            wall,
            config,
            node,
            self._services,
            self.authenticator,
            self._gate,
            self.connections,
            self._models,
        )
        self._resources.setServiceParent(self)
        self.site = SiteMap(
            reactor,
            wall,
            config,
            self.authenticator,
            node.shares,
            self._resources.makeOpener(),
            node.history,
            self.feeds.permit,
            self.rpc,
            self.health,
            self._measure,
            RequestRefusals(node.refusals, self.authenticator, self._gate.addressOf, wall),
            self.console.access.check,
            {**self.console.resources(), **self._resources.paths},
        )
        self._leaving = LeavingProjects(self.hub.sequencer)
        self.revocations = RevocationMaintenance(
            reactor, wall, self.authenticator, node.revocations, self._services.removal
        )
        self.revocations.setServiceParent(self)
        # What was revoked while the engine was away has not come over it.
        self.interruptions.whenUp = self.revocations.read
        # A client whose token was signed with a key that is gone has to bring another one.
        self.authenticator.keysChanged = self._reauthorize
        SessionMaintenance(reactor, self._services.deadlines).setServiceParent(self)
        LagMonitor(reactor, self.lag).setServiceParent(self)

    def _makeSession(self, connection: IConnection, identity: Identity) -> Session:
        if self._logsOpenings:
            self.log.debug(
                "opened by {role} for {userId!r}",
                role=identity.role.value,
                userId=identity.userId,
                connection=connection.connectionId,
            )
        return Session(connection, identity, self._services.context)

    def values(self) -> Mapping[str, float]:
        """
        The counters and gauges of this process.
        """
        requests = self._models.requests().items()
        return {
            **self.health.metrics(),
            **self._models.values(),
            **{keyOf(MODEL_REQUESTS, status): count for status, count in requests},
            **clientValues(self._services.context),
            **self._usage.values(),
        }

    def watchers(self) -> dict[str, int]:
        """
        How many subscribers this process has, by the topics on which token streams run.
        """
        subscribers, topics = self.hub.registry.subscribers, self.hub.sequencer.answers.topics
        return {topic: count for topic in topics if (count := len(subscribers(topic)))}

    def timings(self) -> Timings:
        """
        The histograms of this process.
        """
        return {
            "aerostack_publish_to_socket_seconds": self.hub.publisher.durations.found,
            "aerostack_frame_bytes": self.hub.delivery.fanout.sizes.found,
            **clientTimings(self._services.context),
            "aerostack_stream_append_to_socket_seconds": self.hub.delivery.texts,
            "aerostack_commit_to_socket_seconds": self.feeds.durations.found,
            "aerostack_event_loop_delay_seconds": self.console.sampler.turns,
            "aerostack_garbage_search_seconds": self.searches,
        }

    def _measure(self) -> Measured | Deferred[Measured]:
        return self._reports.measure(self.values(), self.timings())

    # Stopping

    def refuse(self) -> None:
        """
        Let no more clients in.
        """
        self.interruptions.stop()
        self.connections.stopping = self.connections.intake.stopped = True

    def sendAway(self, elsewhere: int = 0) -> Deferred[Any]:
        """
        Send all clients away; see L{drain}.

        @param elsewhere: How many clients other processes of the daemon send away meanwhile.
        """
        self._drainPlan.elsewhere = elsewhere
        drained: Deferred[Any] = drain(self._reactor, self.connections.sessions(), self._drainPlan)
        return drained

    @inlineCallbacks
    def waitForClients(self) -> Any:
        """
        Wait until every client has closed, but at most for C{limits.close_timeout} seconds.  Then
        drop the clients that have not.  What clients held is taken back over some turns; wait at
        most L{LEAVING} seconds for that.
        """
        deadline = self._reactor.seconds() + self.config.limits.closeTimeout
        while len(self.connections) and self._reactor.seconds() < deadline:
            yield deferLater(self._reactor, 0.05)
        if len(self.connections):
            self.dropClients()
            yield deferLater(self._reactor, 0)
        reauthorizing = self._services.context.reauthorizing
        deadline = self._reactor.seconds() + LEAVING
        while reauthorizing.isBusy and self._reactor.seconds() < deadline:
            yield deferLater(self._reactor, 0)
        reauthorizing.stop()

    def dropClients(self) -> None:
        """
        Drop every connection that is still open.
        """
        if len(self.connections):
            self.log.info("{n} clients did not answer the close", n=len(self.connections))
            self.connections.abort()

    # Reloading

    def reload(self, config: Config) -> None:
        """
        Take over the settings of a configuration that was read again.
        """
        before, self.config = self.config, config
        self._reloadRights(before)
        limits, server = config.limits, config.server
        self._services.reload(limits, snapshotBounds(limits))
        self.connections.reload(limits)
        self.lag.reload(limits)
        self._gate.reload(Proxies(server.trustedProxies))
        self._drainPlan.reload(server.restartTime, server.reconnectSpread)
        self.console.reload(server.console, limits)
        self._models.reload(config.projects)
        self._resources.reload(limits)
        self.site.reload(limits)

    def _reloadRights(self, before: Config) -> None:
        config = self.config
        self.authenticator.reload(config.projects)
        # There may be a project more.
        self.revocations.read()
        absent = before.projects.keys() - config.projects.keys()
        leaving = self._leaving.leave(absent)
        changed = changesRights(before, config)
        self.feeds.reload(
            Patterns(config.tracker.tables),
            config.projects,
            Access(config.projects, config.tables) if changed else None,
        )
        if changed:
            self._reauthorize(leaving)

    def _reauthorize(self, leaving: Iterator[None] | None = None) -> None:
        """Judge all clients again."""
        reauthorizeAll(
            self._reactor,
            iter(()) if leaving is None else leaving,
            self.authenticator,
            self._services.clients,
            self.console.taps,
        )
