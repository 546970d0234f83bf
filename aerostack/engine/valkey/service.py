"""
The engine of a node that shares its topics with others: the connection to the server, and the logs
and the members on it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint

from aerostack.core.replay.log import Depth
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.engine.valkey import (
    emittedscripts,
    keyedscripts,
    leasescripts,
    logscripts,
    nodescripts,
    openscripts,
    ratescripts,
    rosterscripts,
)
from aerostack.engine.valkey.address import ValkeyAddress
from aerostack.engine.valkey.emittedowners import ValkeyEmittedOwners
from aerostack.engine.valkey.endpoints import Endpoints
from aerostack.engine.valkey.keyed import ReadKept, ValkeyValues
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link, Login
from aerostack.engine.valkey.log import ValkeyLog
from aerostack.engine.valkey.nodes import ValkeyNodes
from aerostack.engine.valkey.openstreams import ValkeyOpenStreams
from aerostack.engine.valkey.rates import ValkeyRates
from aerostack.engine.valkey.roster import ValkeyRoster
from aerostack.engine.valkey.scripts import Scripts
from aerostack.engine.valkey.sentinel import Sentinels
from aerostack.engine.valkey.users import LinkUsers
from aerostack.interfaces.messaging import IHistory

SCRIPTS = {
    **logscripts.SCRIPTS,
    **rosterscripts.SCRIPTS,
    **leasescripts.SCRIPTS,
    **nodescripts.SCRIPTS,
    **openscripts.SCRIPTS,
    **emittedscripts.SCRIPTS,
    **ratescripts.SCRIPTS,
    **keyedscripts.SCRIPTS,
}


class ValkeyEngine:
    """
    What a node has of a server.

    @ivar log: The logs that the nodes share.
    @ivar values: The values of keyed topics.
    @ivar roster: Decides who is present, with the other nodes.
    @ivar nodes: Reaches the other nodes.
    @ivar openStreams: The token streams of all nodes that have begun and not ended.
    @ivar emittedOwners: Which node has the stream of the events that servers emit on a topic.
    @ivar rates: The rates of projects that the nodes share.
    """

    def __init__(
        self,
        reactor: Any,
        address: ValkeyAddress,
        prefix: str,
        patience: float,
        history: IHistory,
        depthOf: Callable[[str], Depth],
        run: str,
        window: float,
        now: Callable[[], int],
        grace: float,
        name: str,
        policyOf: Callable[[str], KeyedPolicy | None],
        readKept: ReadKept,
        stateMemory: int,
    ) -> None:
        """
        @param address: With the passwords.
        @param prefix: What the names of keys begin with.
        @param patience: See L{ValkeyLog}.
        @param depthOf: See L{ValkeyLog}.
        @param run: See L{ValkeyLog}.
        @param window: See L{ValkeyLog}.
        @param now: The time of day, milliseconds since the epoch.
        @param grace: For how many seconds a lost connection's members stay.
        @param name: This node's name.
        @param policyOf: Gives what holds for the values of a canonical topic.
        @param readKept: See L{ReadKept}.
        @param stateMemory: How many bytes the values of keyed topics have in one project.
        @raise OSError: The file of the authorities cannot be read.
        @raise ValueError: That file has no certificate.
        """
        endpoints = Endpoints(reactor, address.secure, address.authorities)
        keys = Keys(prefix)
        self.values = ValkeyValues(keys, history, policyOf, readKept, stateMemory)
        self.log = ValkeyLog(reactor, history, depthOf, run, window, patience, keys, self.values)
        self.roster = ValkeyRoster(reactor, now, run, grace, patience=patience, keys=keys)
        self.nodes = ValkeyNodes(reactor, run, name, keys)
        self.openStreams = ValkeyOpenStreams(keys, run)
        self.emittedOwners = ValkeyEmittedOwners(keys, run)
        self.rates = ValkeyRates(keys)
        self._sentinels: Sentinels | None = None
        if address.master is not None:
            self._sentinels = Sentinels(
                reactor,
                endpoints.connect,
                address.hosts,
                address.master,
                address.sentinelPassword,
            )

        def connect() -> Deferred[IStreamClientEndpoint]:
            return succeed(endpoints.connect(address.hosts[0]))

        self._link = Link(
            reactor,
            connect if self._sentinels is None else self._sentinels.find,
            Login(
                f"aerostack-rt-{run}",
                f"{prefix}:own:{run}".encode(),
                address.username,
                address.password,
                address.database,
            ),
            Scripts(SCRIPTS, run),
            # First the nodes, so that orders come before what is read after a reconnect; and a
            # stream is noted before anything is published of it.
            LinkUsers((self.nodes, self.openStreams, self.emittedOwners, self.log, self.roster)),
            random,
        )
        self.log.begin(self._link)
        self.roster.begin(self._link)
        self.nodes.begin(self._link)
        self.openStreams.begin(self._link)
        self.emittedOwners.begin(self._link)
        self.rates.begin(self._link)

    @property
    def fault(self) -> str | None:
        """One sentence or more about why the server does not serve; L{None} if it does."""
        return self._link.reason

    def start(self) -> None:
        """
        Begin to connect.  The log has its receiver by now, and the roster knows whom to tell.
        """
        if self._sentinels is not None:
            self._sentinels.start(self._link.reconnect)
        self.roster.start()
        self._link.start()

    def stop(self) -> Deferred[None]:
        """
        Leave the server.  Publications that wait fail.

        @return: Fires when the other nodes know it, and no attempt to connect is under way.
        """
        self.log.stop()
        self.roster.stop()
        if self._sentinels is not None:
            self._sentinels.stop()
        return self.nodes.stop().addCallback(lambda _: self._link.stop())
