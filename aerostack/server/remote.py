"""
The node, as a worker sees it: each of its parts asks the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred

from aerostack.core.replay.logs import TopicLogs
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.publishing import IReceiver
from aerostack.interfaces.sharing import ISharedReceiver
from aerostack.interfaces.tracking import IChangeListener
from aerostack.net.http.measured import Measured, Timings
from aerostack.server.figures import measuredOf
from aerostack.server.housekeeping import Sweeper
from aerostack.server.names import nameOf
from aerostack.server.policies import makePolicies
from aerostack.sessions.services import NodeServices
from aerostack.settings.settings import Config
from aerostack.workers.channel import Channel
from aerostack.workers.messages.figures import AskFigures
from aerostack.workers.messages.serving import Status
from aerostack.workers.worker.clients import RemoteClients
from aerostack.workers.worker.history import RemoteHistory
from aerostack.workers.worker.keyed import RemoteValues
from aerostack.workers.worker.line import RemoteLine, RemoteRevocations
from aerostack.workers.worker.operating import RemoteProcesses
from aerostack.workers.worker.presence import (
    PresentReceiver,
    RemoteRoster,
    RosterReplica,
)
from aerostack.workers.worker.publishing import RemotePublisher
from aerostack.workers.worker.queries import RemoteQueries
from aerostack.workers.worker.questions import Questions
from aerostack.workers.worker.refusals import RemoteRefusals
from aerostack.workers.worker.shares import RemoteShares
from aerostack.workers.worker.streams import RemoteStreams, StreamedLogs
from aerostack.workers.worker.tables import RemoteTracker
from aerostack.workers.worker.topics import RemoteSharedTopics, RemoteTopics
from aerostack.workers.worker.uplinks import RemoteUplinks

PATIENCE = 5.0
"""Seconds that the hub has to ask the other workers."""


class RemoteNode(MultiService):
    """
    What exists once on a machine, for the front of a worker.

    @ivar processes: Asks every process of the daemon.
    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(
        self,
        reactor: Any,
        wall: Callable[[], float],
        run: str,
        config: Config,
        channel: Channel,
        isShared: bool,
    ) -> None:
        """
        @param reactor: Its clock measures intervals.
        @param wall: Gives the time of day, seconds since the epoch.
        @param run: The id of this run, as for L{aerostack.server.node.Node}.
        @param channel: To the hub.
        @param isShared: Whether several nodes share their topics over an engine.
        """
        super().__init__()
        self._channel = channel
        # The hub sends it before anything else.
        self._status = Status({}, {}, [])
        policies = makePolicies(config)
        epochs = count(1)
        logs = TopicLogs(
            lambda topic: policies.of(topic).depth,
            lambda: f"{run}{next(epochs):x}",
            config.replay.memory // int(config.server.workers),
        )
        sequencer = Sequencer(reactor, lambda: int(wall() * 1000), logs, policies)
        self._replica = RosterReplica()
        topics = RemoteSharedTopics if isShared else RemoteTopics
        self._topics = topics(reactor, channel, sequencer, self._replica)
        self._publisher = RemotePublisher(reactor, channel, policies.kindOf)
        questions = Questions(channel)
        self._tracker = RemoteTracker(reactor, channel, questions)
        self._shares = RemoteShares(reactor, channel, config.projects)
        clients = RemoteClients(reactor, channel)
        refusals = RemoteRefusals(reactor, channel)
        refusals.setServiceParent(self)
        uplinks = RemoteUplinks(channel)
        line = RemoteLine(channel, nameOf(config))
        sequencer.answers.linger = config.ai.linger
        streams = RemoteStreams(channel, sequencer.answers)
        self.processes = RemoteProcesses(channel)
        self._services = NodeServices(
            self._publisher,
            StreamedLogs(self._topics.source, sequencer.answers),
            sequencer,
            RemoteRoster(channel, self._replica),
            self._replica,
            RemoteHistory(questions),
            self._tracker,
            self._shares,
            RemoteQueries(questions).run,
            line,
            RemoteRevocations(channel),
            streams,
            uplinks,
            RemoteValues(questions),
            refusals,
            clients,
        )
        parts: tuple[Any, ...] = (
            *(self._replica, self._topics, questions, self._tracker, self._shares),
            *(self._publisher, clients, line, self.processes, streams, uplinks),
        )
        self.handlers: dict[type, Callable[[Any], Any]] = {Status: self._take}
        for part in parts:
            self.handlers.update(part.handlers)
        Sweeper(reactor, (sequencer.expire,)).setServiceParent(self)

    def _take(self, status: Status) -> None:
        self._status = status

    def provide(self) -> NodeServices:
        """
        What the front needs.
        """
        return self._services

    def join(
        self, receiver: IReceiver, listener: IChangeListener, sharing: ISharedReceiver
    ) -> None:
        """
        Begin to bring publications and changes of tables to clients.

        @param sharing: Gets what comes from the engine, if there is one.
        """
        present = PresentReceiver(self._replica, receiver)
        self._topics.start(present, sharing)
        self._publisher.start(present)
        self._tracker.start(listener)

    def stopService(self) -> Any:
        self._tracker.stop()
        return super().stopService()

    def reload(self, config: Config) -> None:
        """
        Go by the limits of another configuration.
        """
        self._shares.reload(config.projects)

    # NodeReports

    def faults(self) -> Mapping[str, str | None]:
        """See L{aerostack.server.health.NodeReports}."""
        return self._status.faults

    def notices(self) -> Mapping[str, str | None]:
        """See L{aerostack.server.health.NodeReports}."""
        return self._status.notices

    def nodes(self) -> list[dict[str, Any]]:
        """See L{aerostack.server.health.NodeReports}."""
        return self._status.nodes

    def measure(self, values: Mapping[str, float], timings: Timings) -> Deferred[Measured]:
        """See L{aerostack.server.health.NodeReports}."""
        # The hub asks every worker, this one among them.
        return self._channel.ask(AskFigures(), PATIENCE).addCallback(measuredOf)
