"""
The daemon, put together from its configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.logger import Logger

from aerostack import __version__
from aerostack.admin.processes import NodeProcesses
from aerostack.process.stopping import DATABASE, bounded
from aerostack.server.front import Front
from aerostack.server.listening import Listening, makeListeners
from aerostack.server.node import Node
from aerostack.server.reload import merge, sectionsThatWait
from aerostack.server.runs import newRun
from aerostack.settings.settings import Config


class Daemon(MultiService):
    """
    Everything that one configuration describes, in one process: the node and the front, joined
    directly.

    @ivar node: What exists once on a machine.
    @ivar front: What serves clients.
    @ivar listening: The addresses that the daemon listens on.
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
        run = newRun()
        self.node = Node(config, reactor, wall, run)
        self.front = Front(
            config,
            reactor,
            wall,
            run,
            self.node.provide(),
            self.node,
            NodeProcesses(reactor, self.node.others),
        )
        registry = self.front.hub.registry
        self.node.audience.local = lambda topic: len(registry.subscribers(topic))
        self.node.join(self.front.hub.delivery, self.front.feeds, self.front.interruptions)
        self.node.setServiceParent(self)
        self.front.setServiceParent(self)
        self.listening = Listening(reactor, self.front.site.root, config.limits)

    # Starting

    def privilegedStartService(self) -> None:
        """
        Prepare the database and take the addresses, so that the operator learns of a fault before
        anything runs.

        @raise StartError: The database or an address cannot be used; the message says why.
        """
        # The reactor does not turn yet, so this may block.
        self.node.prepare()
        self.front.revocations.begin(self.node.readRevocations())
        for listener in makeListeners(self._reactor, self.config):
            self.listening.listen(listener)
        super().privilegedStartService()

    def startService(self) -> None:
        super().startService()
        self.log.info(
            "aerostack-rt {version} serves {database} on {listen}",
            version=__version__,
            database=self.config.database.url,
            listen=", ".join(self.config.server.listen),
        )

    def whenReady(self) -> Deferred[None]:
        """
        Wait until clients are served.
        """
        return succeed(None)

    # Stopping

    @inlineCallbacks
    def stopService(self) -> Any:
        """
        Refuse new clients, close the connections, write what waits for the database, and stop.
        The daemon cuts every step that takes longer than L{aerostack.process.stopping} allows.
        """
        pools = self.node.pools
        pools.giveUp(DATABASE)
        yield bounded(self._reactor, self._leave, self.front.dropClients, pools.sever)
        pools.close()
        self.log.info("stopped")

    @inlineCallbacks
    def _leave(self) -> Any:
        self.front.refuse()
        # systemd keeps its sockets open: a client that connects to one waits for the next daemon.
        # A client at another address gets an answer now, which says when to come back.
        yield self.listening.stop(inherited=True)
        yield self.front.sendAway()
        yield self.listening.stop(inherited=False)
        yield self.front.waitForClients()
        yield super().stopService()
        # Let the calls end that wait for the database.
        yield self.node.flushed()

    # Reloading

    def reload(self, config: Config) -> None:
        """
        Take over the settings that can change while connections are open: projects and their
        keys, limits, tables and the rules for reading them, trusted proxies, how a stop spreads
        clients, which clients reach the console, and certificates.

        The log reports a certificate that cannot be served, and the old one stays.
        """
        self.config = merge(self.config, config)
        for name in sectionsThatWait(config, self.config):
            self.log.warn("[{name}] has changed; it takes a restart", name=name)
        self.node.reload(self.config)
        self.front.reload(self.config)
        self.listening.reload(self.config.limits)
