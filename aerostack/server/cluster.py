"""
What a node has because it shares an engine with other nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred

from aerostack.databases.dialect import Dialect
from aerostack.databases.history import History
from aerostack.hub.backbone import Backbone
from aerostack.hub.following import FollowedTopics
from aerostack.hub.heads import SharedHeads
from aerostack.hub.roster import tellPresence
from aerostack.hub.sharedtopics import SharedTopics
from aerostack.hub.sharing import SharedLogs
from aerostack.interfaces.answers import IAnswerStore
from aerostack.server.housekeeping import SharedMaintenance, StreamMaintenance
from aerostack.server.names import Naming, nameOf
from aerostack.server.peers import Peers
from aerostack.server.quotas import SharedQuotas
from aerostack.server.repeats import Repeats
from aerostack.server.sharedstreams import SharedStreams
from aerostack.sessions.shares import Shares
from aerostack.settings.settings import Config
from aerostack.streams.elsewhere import NodeStreams
from aerostack.streams.streams import Streams

if TYPE_CHECKING:
    from aerostack.engine.valkey.service import ValkeyEngine


class Cluster(MultiService):
    """
    Joins a node with the other nodes on its engine.

    @ivar engine: The engine.
    @ivar heads: With workers, how far this process has got in the shared logs; else L{None}.
    @ivar logs: The shared logs of a node that serves clients in this process; else L{None}.
    @ivar topics: Attaches the topics that the nodes share.
    @ivar quotas: Keeps the limits of projects over all nodes.
    @ivar naming: Looks whether another daemon has this one's name.
    @ivar peers: Compares the other nodes with this one.
    """

    def __init__(
        self,
        reactor: Any,
        wall: Callable[[], float],
        config: Config,
        run: str,
        engine: ValkeyEngine,
        backbone: Backbone,
        history: History,
        dialect: Dialect,
        shares: Shares,
        hasWorkers: bool,
        failed: Callable[[str], object],
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param run: The id of this run.
        @param dialect: That of the database in which the nodes keep messages.
        @param hasWorkers: Whether other processes serve the clients.
        @param failed: Ends the daemon, because another one has its name.  It gets the reason.
        """
        super().__init__()
        self.engine = engine
        self._reactor = reactor
        self._config = config
        self._run = run
        self._publisher = backbone.publisher
        log, nodes, publisher = engine.log, engine.nodes, backbone.publisher
        engine.roster.join(publisher.checkBacklog, partial(tellPresence, publisher))
        self.heads: SharedHeads | None = None
        self.logs: SharedLogs | None = None
        self._followed: FollowedTopics
        if hasWorkers:
            self._followed = self.heads = SharedHeads(reactor, log)
        else:
            self._followed = self.logs = SharedLogs(reactor, log, backbone.sequencer)
        self.topics = SharedTopics(reactor, self._followed, engine.roster)
        history.again = Repeats(dialect, wall, config.replay.repeatWindow).find
        SharedMaintenance(reactor, self._followed, history.newest, log.bring).setServiceParent(self)
        self.peers = Peers(reactor, config, nodes, shares, run)
        self.naming = Naming(reactor, nodes.membership, nameOf(config), failed)
        self.quotas = SharedQuotas(reactor, nodes.membership, engine.rates, shares)
        self.quotas.setServiceParent(self)
        nodes.changed = self._changed

    def joinStreams(self, streams: Streams, calls: NodeStreams, store: IAnswerStore) -> None:
        """
        Join the token streams of this node with those of the others.

        @param calls: Asks the other nodes.
        @param store: Has the streams of all nodes.
        """
        self._streams = SharedStreams(
            self._reactor,
            nameOf(self._config),
            self._run,
            streams,
            calls,
            store,
            self.engine,
            self._publisher,
            self._followed.__contains__,
            self._config.engine.patience,
        )
        self._followed.came = streams.audience.came
        StreamMaintenance(self._reactor, self._streams.look).setServiceParent(self)

    def _changed(self) -> None:
        """Go by what is known now of the other nodes."""
        self.peers.changed()
        self.quotas.changed()
        self.naming.changed()

    def begin(self, database: str) -> None:
        """
        Join the other nodes.

        @param database: Distinguishes the database from every other.
        """
        self.peers.start(database)
        self.engine.start()

    def refuse(self) -> None:
        """
        Refuse what waits for the engine, because the daemon stops.
        """
        self._streams.stop()

    def leave(self) -> Deferred[None]:
        """
        Leave the other nodes.
        """
        return self.engine.stop()

    def reload(self, config: Config) -> None:
        """
        Describe another configuration to the other nodes.
        """
        self.peers.reload(config)
