"""
Where a worker has the publications and the members of topics from.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from aerostack.hub.sequencing import Sequencer
from aerostack.hub.sharing import SharedLogs
from aerostack.interfaces.sharing import ISharedReceiver
from aerostack.workers.worker.backlogs import Backlogs
from aerostack.workers.worker.links import HubLink
from aerostack.workers.worker.logs import RemoteLogs
from aerostack.workers.worker.presence import (
    PresenceFeed,
    PresentLogs,
    PresentReceiver,
    RosterReplica,
)
from aerostack.workers.worker.sharing import RemoteLog


class RemoteTopics:
    """
    Topics whose logs are the hub's.

    @ivar source: Attaches topics.
    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(
        self, clock: IReactorTime, hub: HubLink, sequencer: Sequencer, replica: RosterReplica
    ) -> None:
        """
        @param sequencer: Has this process's logs.
        @param replica: Has the members of attached topics.
        """
        self._logs = RemoteLogs(clock, hub, sequencer)
        self.source = PresentLogs(self._logs, replica)
        self.handlers = self._logs.handlers

    def start(self, receiver: PresentReceiver, sharing: ISharedReceiver) -> None:
        """
        Begin.

        @param receiver: Gets the publications of attached topics.
        @param sharing: Gets nothing.
        """
        self._logs.start(receiver)


class RemoteSharedTopics:
    """
    Topics whose logs nodes share over an engine.

    @ivar source: Attaches topics.
    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(
        self, clock: IReactorTime, hub: HubLink, sequencer: Sequencer, replica: RosterReplica
    ) -> None:
        """
        @param sequencer: Has this process's logs.
        @param replica: Has the members of attached topics.
        """
        self._sequencer = sequencer
        self._backlogs = Backlogs(clock, hub)
        log = RemoteLog(hub, self._backlogs)
        self._shared = SharedLogs(clock, log, sequencer)
        self._presence = PresenceFeed(replica)
        self.source = PresentLogs(self._shared, replica)
        self.handlers = {**log.handlers, **self._presence.handlers}

    def start(self, receiver: PresentReceiver, sharing: ISharedReceiver) -> None:
        """
        Begin.

        @param receiver: Gets the changes of members.
        @param sharing: Gets the entries of attached topics, and hears of the engine's trouble.
        """
        shared = self._shared
        self._sequencer.logs.needed = lambda topic: receiver.needs(topic) or topic in shared
        self._backlogs.start(receiver)
        self._presence.start(receiver)
        shared.start(sharing)
