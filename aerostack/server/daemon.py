"""
The daemon, put together from its configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger

from aerostack import __version__
from aerostack.admin.processes import NodeProcesses
from aerostack.process.reloads import Outcome
from aerostack.process.stopping import DATABASE, bounded
from aerostack.server.front import Front
from aerostack.server.listening import Listening, makeListeners
from aerostack.server.node import Node
from aerostack.server.reload import merge, warnOfWaiting
from aerostack.server.runs import newRun
from aerostack.server.unready import Unready
from aerostack.server.waiting import DatabaseWait
from aerostack.settings.settings import Config


class Daemon(MultiService):
    """
    Everything that one configuration describes, in one process: the node and the front, joined
    directly.

    @ivar node: What exists once on a machine.
    @ivar front: What serves clients.
    @ivar listening: The addresses that the daemon listens on.
    @ivar searches: See L{Front}.
    @ivar wait: Waits for a database that is late.
    """

    log = Logger()

    def __init__(
        self,
        config: Config,
        reactor: Any,
        wall: Callable[[], float] = time.time,
        failed: Callable[[str], object] = lambda reason: None,
    ) -> None:
        """
        @param reactor: Its clock measures intervals.  L{aerostack.process.steady.makeSteady} makes
            it independent of the time of day.
        @param wall: Gives the time of day, seconds since the epoch.
        @param failed: See L{Node}.
        """
        super().__init__()
        self.config = config
        self._reactor = reactor
        run = newRun()
        self.node = Node(config, reactor, wall, run, failed=failed)
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
        self.searches = self.front.searches
        self.wait = DatabaseWait(
            reactor, config.database.url, self.node.prepare, self._recover, failed
        )
        self._unready = Unready(reactor, wall, config, self.node, self.wait)
        self.listening = Listening(reactor, self._unready.tree, config.limits)
        self.node.about.listeners = self.listening.listeners

    # Starting

    def privilegedStartService(self) -> None:
        """
        Prepare the database and take the addresses, so that the operator learns of a fault before
        anything runs.

        @raise StartError: The database or an address cannot be used; the message says why.
        """
        # The reactor does not turn yet, so this may block.
        self.wait.begin()
        if self.wait.fault is None:
            self._attach()
        for listener in makeListeners(self._reactor, self.config):
            self.listening.listen(listener)
        super().privilegedStartService()

    def startService(self) -> None:
        super().startService()
        if self.wait.fault is None:
            self._announce()
        self.wait.start()

    def _attach(self) -> None:
        """Let the parts work with the database, which is ready."""
        self.front.revocations.begin(self.node.takeOver())
        self.node.setServiceParent(self)
        self.front.setServiceParent(self)
        self.listening.serve(self.front.site.root)

    def _recover(self) -> None:
        """Begin to work: the database was late."""
        self._attach()
        if self.front.config is not self.config:
            self._reloadParts()
        self._announce()

    def _announce(self) -> None:
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
        return self.wait.whenOver().addCallback(lambda _: self.node.whenNamed())

    # Stopping

    @inlineCallbacks
    def stopService(self) -> Any:
        """
        Refuse new clients, close the connections, write what waits for the database, and stop.
        The daemon cuts every step that takes longer than L{aerostack.process.stopping} allows.
        """
        self.wait.stop()
        if self.wait.fault is not None:
            yield self.listening.stop(inherited=True)
            yield self.listening.stop(inherited=False)
            yield super().stopService()
            self.node.refusals.stopService()
            self.log.info("stopped")
            return
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
        yield self.front.tracing.whenGone()

    # Reloading

    def reload(self, config: Config) -> Outcome:
        """
        Take over the settings that can change while connections are open: projects and their
        keys, limits, tables and the rules for reading them, trusted proxies, how a stop spreads
        clients, which clients reach the console, and certificates.

        The log reports a certificate that cannot be served, and the old one stays.

        @return: What was not taken up.
        """
        self.config = merge(self.config, config)
        notes = warnOfWaiting(config, self.config, self.log)
        if self.wait.fault is None:
            self._reloadParts()
        else:
            self._unready.reload(self.config)
        faults = self.listening.reload(self.config.limits)
        self.node.about.reloaded(not faults)
        return Outcome(tuple(faults), tuple(notes))

    def _reloadParts(self) -> None:
        self.node.reload(self.config)
        self.front.reload(self.config)
