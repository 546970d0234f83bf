"""
The hub's end of everything that goes between the hub and its workers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime

from aerostack.core.diagnosis.tracing import Tracer
from aerostack.delivery.slices import makeCooperator
from aerostack.server.hubwork import HubWork
from aerostack.server.kinds import KINDS
from aerostack.server.node import Node
from aerostack.server.reload import LeavingProjects
from aerostack.settings.settings import Config
from aerostack.workers.frames import Codec
from aerostack.workers.hub.clients import WorkerClients
from aerostack.workers.hub.line import WorkerLine
from aerostack.workers.hub.links import Link
from aerostack.workers.hub.operating import WorkerAnswers
from aerostack.workers.hub.presence import WorkerPresence
from aerostack.workers.hub.publishing import WorkerPublications
from aerostack.workers.hub.reads import WorkerReads
from aerostack.workers.hub.refusals import WorkerRefusals
from aerostack.workers.hub.relay import Relay
from aerostack.workers.hub.shares import WorkerShares
from aerostack.workers.hub.sharing import SharedRelay
from aerostack.workers.hub.streams import OtherStreams, WorkerStreams
from aerostack.workers.hub.tables import TableRelay
from aerostack.workers.hub.uplinks import WorkerUplinks
from aerostack.workers.process import WorkerProcess


class HubParts:
    """
    Joins a node to workers.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        node: Node,
        names: Sequence[str],
        tracer: Tracer | None,
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param names: The names of all workers.
        @param tracer: Traces publications; L{None} if they are not traced.
        """
        codec = Codec(KINDS)
        services = node.provide()
        backbone = node.backbone
        self._presence = WorkerPresence(clock, services.roster, services.members)
        self.streams = WorkerStreams(services.streams, backbone.sequencer.answers)
        cluster = node.cluster

        def greet(link: Link, topic: str) -> None:
            self._presence.sendMembers(link, topic)
            self.streams.greet(link, topic)
            # Another worker may have brought the topic here before.
            node.audience.came(topic)

        publications = WorkerPublications(services.publisher, tracer)
        self._relay: Relay | SharedRelay
        # The same relay, if nodes share their topics.
        self._sharedRelay: SharedRelay | None = None
        if cluster is None or cluster.heads is None:
            self._relay = relay = Relay(clock, codec, backbone.sequencer, greet)
            publications.linksOf = relay.links
        else:
            self._relay = self._sharedRelay = SharedRelay(
                clock,
                codec,
                cluster.engine.log,
                cluster.heads,
                services.source,
                greet,
                OtherStreams(clock, backbone.sequencer.answers, node.streams.handover.dropMirrors),
            )
            cluster.heads.start(self._relay)
        self._tables = TableRelay(clock, codec, services.tracker)
        self._shares = WorkerShares(clock, node.shares, node.config.projects)
        if cluster is not None:
            cluster.quotas.join(self._shares.lender)
        self._clients = WorkerClients(self._presence)
        self._line = WorkerLine(services.revocations, node.others)
        self._uplinks = WorkerUplinks(node.others)
        self._work = HubWork(
            clock,
            wall,
            lambda: self._relay.published,
            lambda: self._tables.delivered,
            self._relay.attached,
            backbone.sequencer.logs,
            services.members,
            backbone.sequencer.answers,
            node.refusals,
        )
        self._answers = WorkerAnswers(clock, names, self._work.answer, node.others)
        self.handlers: dict[type, Callable[[Any, Any], Any]] = {
            **self._relay.handlers,
            **publications.handlers,
            **self._presence.handlers,
            **self._tables.handlers,
            **WorkerReads(
                clock, services.tracker, services.history, services.values, services.query
            ).handlers,
            **self._shares.handlers,
            **self._clients.handlers,
            **self._line.handlers,
            **self._uplinks.handlers,
            **WorkerRefusals(node.refusals).handlers,
            **self._answers.handlers,
            **self.streams.handlers,
        }
        attached = self._relay.attached
        # Each worker reports its number of subscribers once a second.
        node.audience.local = lambda topic: self.streams.watchers(topic) or int(topic in attached)
        node.join(self._relay, self._tables)
        self._projects = node.config.projects.keys()
        self._leaving = LeavingProjects(backbone.sequencer)
        self._cooperator = makeCooperator(clock)

    def start(self) -> None:
        """
        Begin to tell workers how the tracker does, and to take samples.
        """
        self._work.start()
        self._tables.start()

    def stop(self) -> None:
        """
        Stop: tell workers nothing more, and take no more samples.
        """
        self._tables.stop()
        self._work.stop()

    def started(self, worker: WorkerProcess) -> None:
        """
        Serve a worker that was started.
        """
        link = worker.channel
        if self._sharedRelay is not None:
            self._sharedRelay.joined(link)
        self._tables.add(link)
        self._shares.joined(link)
        self._answers.joined(link, worker.name)
        self._line.joined(link, worker.name)
        self._uplinks.joined(link, worker.name)

    def ended(self, worker: WorkerProcess) -> None:
        """
        Take back everything from a worker that is gone.
        """
        link = worker.channel
        # First, so that nothing that follows is sent to the worker.
        self._relay.lost(link)
        self._tables.lost(link)
        self._presence.lost(link)
        self._clients.lost(link)
        self._shares.lost(link)
        self._line.lost(link)
        self._uplinks.lost(link)
        self.streams.lost(link)
        self._answers.lost(link)

    def reload(self, config: Config) -> None:
        """
        Go by the limits of another configuration.
        """
        self._shares.reload(config.projects)
        before, self._projects = self._projects, config.projects.keys()
        self._cooperator.coiterate(self._leaving.leave(before - self._projects))

    def values(self) -> Mapping[str, float]:
        """
        The values of L{aerostack.net.http.metriclist.METRICS} that the hub knows better than its
        workers, each of which has only a part of the topics.
        """
        return {
            "aerostack_topics": len(self._relay.attached),
            "aerostack_publications_total": self._relay.published,
            "aerostack_changes_total": self._tables.delivered,
        }
