"""
What the daemon serves while it waits for its database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IAddress

from aerostack.auth.authenticator import Authenticator
from aerostack.net.http.measured import Measured
from aerostack.net.http.metrics import MetricsResource
from aerostack.net.http.refusing import RequestRefusals
from aerostack.net.http.unready import UnreadyTree
from aerostack.process.usage import Usage
from aerostack.server.node import Node
from aerostack.server.refusing import refusalValues
from aerostack.server.waiting import DatabaseWait
from aerostack.settings.addresses import Proxies
from aerostack.settings.settings import Config
from aerostack.workers.worker.memory import residentMemory

IDLE = {
    "aerostack_healthy": 0,
    "aerostack_database_up": 0,
    "aerostack_feed_up": 0,
    "aerostack_connections": 0,
    "aerostack_subscriptions": 0,
}
"""The numbers of a daemon that serves no clients yet."""


class Unready:
    """
    The resources of a daemon that waits for its database.  Its metrics have what is known without
    the database.

    @ivar tree: The resources.
    """

    def __init__(
        self,
        reactor: Any,
        wall: Callable[[], float],
        config: Config,
        node: Node,
        wait: DatabaseWait,
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        """
        self._node = node
        self._usage = Usage(reactor.seconds, residentMemory)
        self._proxies = Proxies(config.server.trustedProxies)
        self._authenticator = Authenticator(config.projects)
        self.tree = UnreadyTree(
            wait.health,
            MetricsResource(self._measure, self._authenticator, reactor, wall),
            RequestRefusals(node.refusals, self._authenticator, self._addressOf, wall),
        )

    def reload(self, config: Config) -> None:
        """
        Go by the keys and the proxies of a configuration that was read again.
        """
        self._authenticator.reload(config.projects)
        self._proxies = Proxies(config.server.trustedProxies)

    def _measure(self) -> Measured:
        node = self._node
        values = {**IDLE, **self._usage.values(), **node.about.values()}
        return Measured({**values, **refusalValues(node.refusals.counts)}, {})

    def _addressOf(self, peer: IAddress, forwarded: Sequence[str]) -> str | None:
        # A Unix socket's address has no host.
        return self._proxies.client(getattr(peer, "host", None), forwarded)
