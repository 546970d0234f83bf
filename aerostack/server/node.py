"""
The part of the daemon that exists once on a machine: the database, the order of publications, who
is present, and what projects use.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from itertools import count
from random import random
from typing import Any
from uuid import uuid4

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, succeed

from aerostack.core.access.removals import Revocation
from aerostack.core.answers.checkpoints import Claim
from aerostack.core.limits.admission import Admission
from aerostack.core.presence import Presence
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.publications import Kept, Message, StreamMark
from aerostack.databases.answers import AnswerStore, takeAnswers
from aerostack.databases.backend import Unusable
from aerostack.databases.history import History
from aerostack.databases.open import openBackend
from aerostack.databases.repeatable import findAgain
from aerostack.databases.revocations import RevocationStore, selectRevocations
from aerostack.engine.alone import AloneNodes
from aerostack.engine.line import NodeLine
from aerostack.engine.memory import MemoryEngine
from aerostack.hub.backbone import Backbone
from aerostack.hub.following import FollowedTopics
from aerostack.hub.heads import SharedHeads
from aerostack.hub.idempotency import keyOf, ownerOf
from aerostack.hub.roster import tellPresence
from aerostack.hub.sharedtopics import SharedTopics
from aerostack.hub.sharing import SharedEngine, SharedLogs
from aerostack.hub.sources import LocalLogs
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.nodes import INodes
from aerostack.interfaces.publishing import IReceiver
from aerostack.interfaces.sharing import ISharedReceiver
from aerostack.interfaces.tracking import IChangeListener
from aerostack.net.http.metrics import DATABASE_CALLS, Measured, Timings
from aerostack.server.engines import openEngine
from aerostack.server.health import ENGINE
from aerostack.server.housekeeping import (
    HistoryMaintenance,
    SharedMaintenance,
    StreamMaintenance,
    Sweeper,
)
from aerostack.server.listening import StartError
from aerostack.server.names import nameOf
from aerostack.server.peers import Peers
from aerostack.server.policies import makePolicies
from aerostack.server.queries import Queries
from aerostack.server.quotas import SharedQuotas
from aerostack.server.runs import MessageIds
from aerostack.server.streams import makeStreams, streamTimings, streamValues
from aerostack.sessions.services import NodeServices
from aerostack.sessions.shares import Shares
from aerostack.settings.settings import Config
from aerostack.streams.adopting import Adopter
from aerostack.streams.audience import Audience
from aerostack.streams.elsewhere import NodeStreams
from aerostack.tracker.faults import describe
from aerostack.tracker.tracker import ChangeTracker

MAX_REPEATS = 50_000
"""How many publications the daemon remembers, to recognize them when a client publishes again."""


class Node(MultiService):
    """
    What exists once on a machine, however many processes serve clients.

    @ivar run: The id of this run.
    @ivar pools: The connections to the database.
    @ivar history: The kept messages.
    @ivar tracker: Reads changes of tables.
    @ivar engine: Joins the nodes that share their topics; L{None} if this one is alone.
    @ivar others: Reaches the other nodes.
    @ivar heads: With an engine and workers, how far this process has got in the shared logs.
    @ivar backbone: Puts publications in order, and decides who is present.
    @ivar streams: The token streams.
    @ivar audience: How many subscribers their topics have.
    @ivar adopter: Looks after the streams of nodes that are gone; L{None} if this one is alone.
    @ivar shares: What clients and projects use.
    @ivar quotas: Keeps the limits of projects over all nodes; L{None} if this one is alone.
    """

    def __init__(
        self,
        config: Config,
        reactor: Any,
        wall: Callable[[], float],
        run: str,
        hasWorkers: bool = False,
    ) -> None:
        """
        @param reactor: Its clock measures intervals.
        @param wall: Gives the time of day, seconds since the epoch.
        @param run: The id of this run, letters and digits: no two runs have the same.
        @param hasWorkers: Whether other processes serve the clients.
        """
        super().__init__()
        self.config = config
        self._reactor = reactor
        self._wall = wall
        self.run = run
        self._backend = openBackend(config.database)
        self.pools = self._backend.pools(reactor)
        self._watch = self._backend.health(reactor, self.pools)
        self._watch.setServiceParent(self)
        self.history = History(
            self.pools.history,
            self._backend.dialect,
            config.history.maxAge,
            config.history.maxCount,
            self._backend.restored,
        )
        self._revocations = RevocationStore(self.pools.history, self._backend.dialect)
        policies = makePolicies(config)
        epochs = count(1)
        self.engine = openEngine(
            reactor,
            config,
            self.history,
            lambda topic: policies.of(topic).depth,
            run,
            self._now,
            nameOf(config),
        )
        self.others: INodes = (
            AloneNodes(nameOf(config)) if self.engine is None else self.engine.nodes
        )
        self._line = NodeLine(reactor, self.others)
        self.backbone = Backbone(
            reactor,
            self._now,
            MemoryEngine() if self.engine is None else SharedEngine(self.engine.log, run),
            self.history,
            Presence(config.presence.grace),
            MessageIds(run, self._now),
            policies,
            TopicLogs(
                lambda topic: policies.of(topic).depth,
                lambda: f"{run}{next(epochs):x}",
                config.replay.memory,
            ),
            IdempotencyCache(config.replay.repeatWindow, MAX_REPEATS, ownerOf),
        )
        self._answers = AnswerStore(self.pools.history, self._backend.dialect)
        # Nodes that share their topics may share their database.
        self._name = None if self.engine is None else nameOf(config)
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
            lambda: uuid4().hex,
            self.audience,
        )
        # One for all parts that serve clients: it answers the other nodes.
        self._streams = NodeStreams(self.streams, self.others, self.streams.keeper.read)
        self._streams.endOf = self._endOf
        self._began = reactor.seconds()
        self.adopter: Adopter | None = None
        self.heads: SharedHeads | None = None
        self._shared: SharedLogs | None = None
        self._topics: ILogSource = LocalLogs()
        if self.engine is not None:
            publisher = self.backbone.publisher
            self.engine.roster.join(publisher.checkBacklog, partial(tellPresence, publisher))
            log = self.engine.log
            followed: FollowedTopics
            if hasWorkers:
                followed = self.heads = SharedHeads(reactor, log)
            else:
                followed = self._shared = SharedLogs(reactor, log, self.backbone.sequencer)
            self._topics = SharedTopics(reactor, followed, self.engine.roster)
            self.history.again = self._findAgain
            SharedMaintenance(reactor, followed, self.history.newest, log.bring).setServiceParent(
                self
            )
            nodes = self.engine.nodes
            adopter = self.adopter = Adopter(
                reactor,
                nameOf(config),
                self.streams,
                self._answers,
                nodes,
                nodes,
                log.read,
                followed.__contains__,
                self._streams.tell,
            )
            nodes.lapsed = adopter.lapsed
            self.streams.handover.lost = self._streams.lost
            self._streams.isComing = adopter.isComing
            StreamMaintenance(reactor, adopter.look).setServiceParent(self)
        self.tracker = self._makeTracker()
        limits = config.limits
        self.shares = Shares(reactor, config.projects, limits, Admission(limits, random))
        self._peers: Peers | None = None
        self.quotas: SharedQuotas | None = None
        if self.engine is not None:
            nodes = self.engine.nodes
            self._peers = Peers(reactor, config, nodes, self.shares, run)
            self.quotas = SharedQuotas(reactor, nodes.membership, self.engine.rates, self.shares)
            self.quotas.setServiceParent(self)
            nodes.changed = self._nodesChanged
        self._queries = Queries(self._backend, self.pools.query, limits, self.tracker.poke)
        works = (
            self.backbone.roster.sweep,
            self.backbone.sequencer.expire,
            self.streams.expiry.sweep,
            self.streams.checkpoints.sweep,
            self.audience.sweep,
        )
        Sweeper(reactor, works).setServiceParent(self)
        HistoryMaintenance(reactor, self._now, self.history).setServiceParent(self)

    def _nodesChanged(self) -> None:
        """Go by what is known now of the other nodes."""
        if self._peers is not None and self.quotas is not None:
            self._peers.changed()
            self.quotas.changed()

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

    def _findAgain(self, cursor: Any, messages: Sequence[Message]) -> Mapping[str, Kept]:
        """Find messages that their publishers have sent to another node before."""
        keys = {message.id: keyOf(message) for message in messages}
        asked = [message for message in messages if keys[message.id] is not None]
        since = int((self._wall() - self.config.replay.repeatWindow) * 1000)
        there: dict[Hashable, Kept] = {}
        for kept in findAgain(cursor, self._backend.dialect, asked, since):
            there.setdefault(keyOf(kept.message), kept)
        found = ((message.id, there.get(keys[message.id])) for message in asked)
        return {messageId: kept for messageId, kept in found if kept is not None}

    def _makeTracker(self) -> ChangeTracker:
        tracker = self.config.tracker
        return ChangeTracker(
            self._reactor,
            self.pools.tracker,
            self._backend.journal(tracker),
            tracker.pollInterval,
            wall=self._wall,
            reads=self.pools.reads,
            waker=self._backend.waker(self._reactor) if tracker.wake else None,
            retention=tracker.retention,
            # The journal must go on for as long as a client may come back for changes.
            grace=max(60.0, tracker.retention),
        )

    def provide(self) -> NodeServices:
        """
        What a part of the daemon that serves clients in this process needs.
        """
        backbone = self.backbone
        roster = backbone.roster if self.engine is None else self.engine.roster
        return NodeServices(
            backbone.publisher,
            self._topics,
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
            no engine, or if L{heads} has a receiver of its own.
        """
        self._listener = listener
        if self._shared is None:
            self.backbone.start(receiver)
        elif sharing is None:
            raise RuntimeError("nothing takes what comes from the engine")
        else:
            self.backbone.start(receiver, self._shared)
            self._shared.start(sharing)

    # What is wrong

    def faults(self) -> Mapping[str, str | None]:
        """See L{aerostack.server.health.NodeReports}."""
        failure = self.history.failure
        fault = self._watch.fault()
        if fault is None and failure is not None:
            fault = f"Messages cannot be kept: the database {describe(failure)}."
        if self.engine is None:
            return {"database": fault}
        return {"database": fault, ENGINE: self.engine.fault}

    def notices(self) -> Mapping[str, str | None]:
        """See L{aerostack.server.health.NodeReports}."""
        peers = self._peers
        return {
            # The database may have been put back to an older state.
            "restored": self._backend.restored.sentence,
            "nodes": None if peers is None else peers.notice(),
        }

    def nodes(self) -> list[dict[str, Any]]:
        """See L{aerostack.server.health.NodeReports}."""
        return [] if self._peers is None else self._peers.shown()

    def measure(self, values: Mapping[str, float], timings: Timings) -> Measured:
        """See L{aerostack.server.health.NodeReports}."""
        return Measured(
            {**values, **streamValues(self.streams)},
            {**timings, **streamTimings(self.streams), DATABASE_CALLS: self.pools.calls()},
        )

    # Starting and stopping

    def prepare(self) -> None:
        """
        Bring the database up to date.  This blocks: call it before the reactor turns.

        @raise StartError: The database cannot be used; the message says why.
        """
        config, backbone = self.config, self.backbone
        try:
            newest = self._backend.prepare(
                int((self._wall() - config.replay.repeatWindow) * 1000),
                MAX_REPEATS,
                backbone.publisher.remember,
                self.engine is not None,
            )
            self._database = self._backend.identify() if self._peers is not None else ""
        except Unusable as error:
            raise StartError(f"{config.database.url} cannot be used: {error}") from None
        backbone.sequencer.floor = max(newest, self._now())
        try:
            claim = Claim(nameOf(config), self.run, ofNode=self._name)
            left = self._backend.ask(takeAnswers, claim)
        except Unusable as error:
            raise StartError(f"{config.database.url} cannot be used: {error}") from None
        stored = self._answers.check(left)
        if self.adopter is None:
            self.streams.handover.restore(stored)
        else:
            self.adopter.leave(stored)

    def readRevocations(self) -> list[Revocation]:
        """
        Read the revocations of tokens.  This blocks, as L{prepare} does.

        @raise StartError: The database cannot be read; the message says why.
        """
        config = self.config
        try:
            found = self._backend.ask(selectRevocations, tuple(config.projects), self._now())
        except Unusable as error:
            raise StartError(f"{config.database.url} cannot be used: {error}") from None
        return self._revocations.check(found)

    def startService(self) -> None:
        self.pools.start()
        if self.engine is not None and self._peers is not None:
            self._peers.start(self._database)
            self.engine.start()
        self.tracker.start(self._listener)
        super().startService()

    def flushed(self) -> Deferred[Any]:
        """
        Stop reading changes, have running streams kept, and leave the engine.

        @return: Fires when the calls have ended that wait for the database.
        """
        ended = DeferredList(
            [self.tracker.stop(), self.streams.stop(), self.history.flushed()], consumeErrors=True
        )
        # What was kept until now has gone to the engine.
        return ended.addCallback(lambda _: None if self.engine is None else self.engine.stop())

    def reload(self, config: Config) -> None:
        """
        Take over the projects and the limits of a configuration that was read again.
        """
        self.config = config
        limits = config.limits
        self._queries.reload(limits)
        self.shares.reloadShares(config.projects, limits)
        if self._peers is not None:
            self._peers.reload(config)
