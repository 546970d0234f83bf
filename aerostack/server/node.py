"""
The part of the daemon that exists once on a machine: the database, the order of publications, who
is present, and what projects use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import random
from secrets import token_hex
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, succeed

from aerostack.admin.refusals import Refusals
from aerostack.core.access.removals import Revocation
from aerostack.core.limits.admission import Admission
from aerostack.core.replay.publications import StreamMark
from aerostack.databases.answers import AnswerStore
from aerostack.databases.history import History
from aerostack.databases.open import openBackend
from aerostack.databases.revocations import RevocationStore
from aerostack.engine.alone import AloneNodes
from aerostack.engine.line import NodeLine
from aerostack.engine.uplinks import NodeUplinks
from aerostack.hub.keyed import LocalValues
from aerostack.hub.sources import LocalLogs
from aerostack.interfaces.nodes import INodes
from aerostack.interfaces.publishing import IReceiver
from aerostack.interfaces.sharing import ISharedReceiver
from aerostack.interfaces.tracking import IChangeListener
from aerostack.net.http.measured import Measured, Timings
from aerostack.net.http.metriclist import (
    DATABASE_CALLS,
)
from aerostack.server.about import About
from aerostack.server.backbone import makeBackbone
from aerostack.server.cluster import Cluster
from aerostack.server.emitting import emitRules, emittedValues, makeEmitted
from aerostack.server.engines import openEngine
from aerostack.server.health import DATABASE, ENGINE
from aerostack.server.housekeeping import (
    HistoryMaintenance,
    Sweeper,
)
from aerostack.server.names import nameOf
from aerostack.server.policies import makePolicies
from aerostack.server.preparing import Prepared, prepareNode
from aerostack.server.queries import Queries
from aerostack.server.refusing import refusalValues
from aerostack.server.streams import makeStreams, streamTimings, streamValues
from aerostack.server.tracking import makeTracker
from aerostack.server.usage import usedValues
from aerostack.sessions.services import NodeServices
from aerostack.sessions.shares import Shares
from aerostack.settings.settings import Config
from aerostack.streams.audience import Audience
from aerostack.streams.elsewhere import NodeStreams
from aerostack.tracker.emitting import EmittedPublisher
from aerostack.tracker.faults import describe
from aerostack.tracker.waking import SharedWaker


class Node(MultiService):
    """
    What exists once on a machine, however many processes serve clients.

    @ivar run: The id of this run.
    @ivar about: What the metrics say of the daemon as a whole.
    @ivar pools: The connections to the database.
    @ivar history: The kept messages.
    @ivar tracker: Reads changes of tables.
    @ivar engine: Carries what the nodes share; L{None} if this one is alone.
    @ivar others: Reaches the other nodes.
    @ivar backbone: Puts publications in order, and decides who is present.
    @ivar streams: The token streams.
    @ivar audience: How many subscribers their topics have.
    @ivar shares: What clients and projects use.
    @ivar refusals: Which requests were refused.
    @ivar cluster: Joins the node with the other nodes; L{None} if this one is alone.
    """

    def __init__(
        self,
        config: Config,
        reactor: Any,
        wall: Callable[[], float],
        run: str,
        hasWorkers: bool = False,
        failed: Callable[[str], object] = lambda reason: None,
    ) -> None:
        """
        @param reactor: Its clock measures intervals.
        @param wall: Gives the time of day, seconds since the epoch.
        @param run: The id of this run, letters and digits: no two runs have the same.
        @param hasWorkers: Whether other processes serve the clients.
        @param failed: Ends the daemon, because another one has its name.  It gets the reason.
        """
        super().__init__()
        self.config = config
        self.about = About(wall)
        self._reactor = reactor
        self._wall = wall
        self.run = run
        self._hasWorkers = hasWorkers
        self._prepared = Prepared()
        self._database = ""
        self._backend = openBackend(config.database)
        self.pools = self._backend.pools(reactor, config.tracker.emit)
        self._watch = self._backend.health(reactor, self.pools)
        self._watch.setServiceParent(self)
        policies = makePolicies(config)
        self.history = History(
            self.pools.history,
            self._backend.dialect,
            config.history.maxAge,
            config.history.maxCount,
            self._backend.restored,
            lambda topic: policies.of(topic).compact,
        )
        self._revocations = RevocationStore(self.pools.history, self._backend.dialect)
        self.engine = openEngine(
            reactor,
            config,
            self.history,
            lambda topic: policies.of(topic).depth,
            run,
            self._now,
            nameOf(config),
            policies.keyedOf,
            self.history.values,
        )
        self.others: INodes = (
            AloneNodes(nameOf(config)) if self.engine is None else self.engine.nodes
        )
        self._line = NodeLine(reactor, self.others)
        self.backbone = makeBackbone(
            reactor, self._now, config, run, self.engine, self.history, policies
        )
        self._answers = AnswerStore(self.pools.history, self._backend.dialect)
        self.audience = Audience(reactor, self.others, self.backbone.sequencer.answers)
        self.streams = makeStreams(
            reactor,
            self._now,
            config.ai,
            self.backbone,
            self.history,
            self._answers,
            nameOf(config),
            run,
            # Every frame of a stream has its id, so it is short.
            lambda: token_hex(10),
            self.audience,
        )
        # One for all parts that serve clients: it answers the other nodes.
        self._streams = NodeStreams(self.streams, self.others, self.streams.keeper.read)
        self._streams.endOf = self._endOf
        self._began = reactor.seconds()
        limits = config.limits
        self.shares = Shares(reactor, config.projects, limits, Admission(limits, random))
        self.cluster: Cluster | None = None
        if self.engine is not None:
            self.cluster = Cluster(
                reactor,
                wall,
                config,
                run,
                self.engine,
                self.backbone,
                self.history,
                self._backend.dialect,
                self.shares,
                hasWorkers,
                failed,
            )
            self.cluster.joinStreams(self.streams, self._streams, self._answers)
            self.cluster.setServiceParent(self)
        waker = SharedWaker(self._backend.waker(reactor)) if config.tracker.wake else None
        self.tracker = makeTracker(
            reactor, wall, config.tracker, self.pools, self._backend, waker, config.path
        )
        self._emitted: EmittedPublisher | None = None
        if self.pools.events is not None:
            self._emitted = makeEmitted(
                reactor,
                config,
                self.pools.events,
                self._backend.emitted(),
                self.backbone.publisher,
                self.engine is not None,
                waker,
            )
        self.refusals = Refusals(reactor)
        self.refusals.setServiceParent(self)
        self._queries = Queries(self._backend, self.pools.query, limits, self._poke)
        works = (
            self.backbone.roster.sweep,
            self.backbone.publisher.endValues,
            self.backbone.sequencer.expire,
            self.streams.expiry.sweep,
            self.streams.checkpoints.sweep,
            self.audience.sweep,
        )
        Sweeper(reactor, works).setServiceParent(self)
        HistoryMaintenance(reactor, self._now, self.history).setServiceParent(self)

    def _endOf(self, project: str, stream: str) -> Deferred[StreamMark | None]:
        """
        See L{NodeStreams.endOf}.
        """
        linger = self.streams.answers.linger
        if self.others.isAlone and self._reactor.seconds() > self._began + linger:
            # This run of the daemon has known every stream that has ended since.
            return succeed(None)
        return self.streams.keeper.endOf(project, stream, self._now() - int(1000 * linger))

    def _now(self) -> int:
        return int(self._wall() * 1000)

    def _poke(self) -> None:
        """Look for what a statement of this daemon may have written."""
        self.tracker.poke()
        if self._emitted is not None:
            self._emitted.poke()

    def provide(self) -> NodeServices:
        """
        What a part of the daemon that serves clients in this process needs.
        """
        backbone = self.backbone
        roster = backbone.roster if self.engine is None else self.engine.roster
        return NodeServices(
            backbone.publisher,
            LocalLogs() if self.cluster is None else self.cluster.topics,
            backbone.sequencer,
            roster,
            roster.rosters,
            self.history,
            self.tracker,
            self.shares,
            self._queries.run,
            self._line,
            self._revocations,
            self._streams,
            NodeUplinks(self.others),
            LocalValues(backbone.states) if self.engine is None else self.engine.values,
            self.refusals,
        )

    def join(
        self,
        receiver: IReceiver,
        listener: IChangeListener,
        sharing: ISharedReceiver | None = None,
    ) -> None:
        """
        Take up what brings publications and changes of tables to clients.

        @param receiver: Gets publications from now on.
        @param listener: Gets changes of tables once the service runs.
        @param sharing: Gets what comes from the engine once the service runs; L{None} if there is
            no engine, or if the heads of the cluster have a receiver of their own.
        """
        self._listener = listener
        logs = None if self.cluster is None else self.cluster.logs
        if logs is None:
            self.backbone.start(receiver)
        elif sharing is None:
            raise RuntimeError("nothing takes what comes from the engine")
        else:
            self.backbone.start(receiver, logs)
            logs.start(sharing)

    # What is wrong

    def faults(self) -> Mapping[str, str | None]:
        """See L{aerostack.server.health.NodeReports}."""
        failure = self.history.failure
        fault = self._watch.fault()
        if fault is None and failure is not None:
            fault = f"Messages cannot be kept: the database {describe(failure)}."
        if self.engine is None:
            return {DATABASE: fault}
        return {DATABASE: fault, ENGINE: self.engine.fault}

    def notices(self) -> Mapping[str, str | None]:
        """See L{aerostack.server.health.NodeReports}."""
        return {
            # The database may have been put back to an older state.
            "restored": self._backend.restored.sentence,
            "nodes": None if self.cluster is None else self.cluster.peers.notice(),
            "emitted": None if self._emitted is None else self._emitted.notice(),
        }

    def nodes(self) -> list[dict[str, Any]]:
        """See L{aerostack.server.health.NodeReports}."""
        return [] if self.cluster is None else self.cluster.peers.shown()

    def measure(self, values: Mapping[str, float], timings: Timings) -> Measured:
        """See L{aerostack.server.health.NodeReports}."""
        return Measured(
            {
                **values,
                **streamValues(self.streams),
                **emittedValues(self._emitted),
                **usedValues(self.shares, self.backbone.publisher.accepted),
                **self.about.values(),
                **refusalValues(self.refusals.counts),
            },
            {**timings, **streamTimings(self.streams), DATABASE_CALLS: self.pools.calls()},
        )

    # Starting and stopping

    def prepare(self) -> None:
        """
        Bring the database up to date, and read what an earlier run has left.  This blocks, and may
        run in another thread while the node is not used.

        @raise Unready: The database cannot be used yet; this may be called again.
        @raise Unusable: The database cannot be used; the message says why.
        """
        self._prepared = prepareNode(
            self.config,
            self._backend,
            self.backbone,
            self.run,
            self._now,
            self._reactor.seconds,
            self.cluster is not None,
            self._hasWorkers,
        )

    def takeOver(self) -> list[Revocation]:
        """
        Go on with what L{prepare} has found.

        @return: The revocations of tokens; none if other processes serve the clients.
        """
        prepared, self._prepared = self._prepared, Prepared()
        self._database = prepared.database
        if prepared.newer is not None:
            self.tracker.refuse(prepared.newer)
        self.streams.handover.restore(self._answers.check(prepared.left))
        return self._revocations.check(prepared.revoked)

    def whenNamed(self) -> Deferred[None]:
        """
        Wait until it is known that no other daemon has this one's name; see
        L{aerostack.server.names.Naming.whenKnown}.
        """
        return succeed(None) if self.cluster is None else self.cluster.naming.whenKnown()

    def startService(self) -> None:
        self.pools.start()
        if self.cluster is not None:
            self.cluster.begin(self._database)
        self.tracker.start(self._listener)
        if self._emitted is not None:
            self._emitted.start()
        super().startService()

    def flushed(self) -> Deferred[Any]:
        """
        Stop reading changes, have running streams kept, and leave the engine.

        @return: Fires when the calls have ended that wait for the database.
        """
        if self.cluster is not None:
            self.cluster.refuse()
        emitted = succeed(None) if self._emitted is None else self._emitted.stop()
        ended = DeferredList(
            [self.tracker.stop(), self.streams.stop(), emitted, self.history.flushed()],
            consumeErrors=True,
        )
        # What was kept until now has gone to the engine.
        return ended.addCallback(lambda _: None if self.cluster is None else self.cluster.leave())

    def reload(self, config: Config) -> None:
        """
        Take over the projects and the limits of a configuration that was read again.
        """
        self.config = config
        limits = config.limits
        self._queries.reload(limits)
        if self._emitted is not None:
            self._emitted.reload(emitRules(config))
        self.shares.reloadShares(config.projects, limits)
        self.refusals.keep(config.projects)
        if self.cluster is not None:
            self.cluster.reload(config)
