"""
Tests for L{aerostack.server.unready}.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.http.lobby import Lobby
from aerostack.net.http.server import BoundedSite
from aerostack.net.intake import Intake
from aerostack.server.unready import Unready
from aerostack.settings.limits import LimitsConfig
from aerostack.testing.world import SECRET_KEY, makeProject

NEW_KEY = "sk_" + "n" * 40


class UnreadyTests(SynchronousTestCase):
    """
    Tests for L{Unready}.

    @ivar refusals: What was noted of refused requests.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.refusals: list[Any] = []
        node: Any = SimpleNamespace(
            refusals=SimpleNamespace(note=self.refusals.append, counts={}),
            about=SimpleNamespace(values=dict),
        )
        wait: Any = SimpleNamespace(health=dict)
        self.unready = Unready(
            self.clock, self.clock.seconds, self.config(SECRET_KEY, "192.168.1.1"), node, wait
        )

    def config(self, key: str, proxy: str) -> Any:
        """
        A configuration with a secret key, and with a proxy that may name its clients.
        """
        projects = {"p": makeProject(secretKey=key)}
        return SimpleNamespace(projects=projects, server=SimpleNamespace(trustedProxies=(proxy,)))

    def ask(self, key: str) -> int:
        """
        Ask for the metrics over a proxy on another machine.

        @return: The status of the answer.
        """
        limits = LimitsConfig()
        lobby, intake = Lobby(self.clock, limits), Intake(self.clock)
        site = BoundedSite(self.unready.tree, self.clock, limits, lobby, intake, False)
        channel: Any = site.buildProtocol(None)  # type: ignore[arg-type]
        transport = StringTransport()
        channel.makeConnection(transport)
        lines = (f"Authorization: Bearer {key}", "X-Forwarded-For: 198.51.100.7", "Host: a")
        channel.dataReceived("\r\n".join(("GET /metrics HTTP/1.1", *lines, "", "")).encode())
        self.clock.pump([0] * 100)
        return int(transport.value().split(b" ", 2)[1])

    def test_reload(self) -> None:
        """
        The keys and the proxies of a configuration that was read again hold also while the daemon
        waits, and those before hold no more.
        """
        self.assertEqual((self.ask(SECRET_KEY), self.ask(NEW_KEY)), (200, 401))
        self.unready.reload(self.config(NEW_KEY, "192.0.2.1"))
        self.assertEqual((self.ask(SECRET_KEY), self.ask(NEW_KEY)), (401, 200))
        addresses = [refusal.address for refusal in self.refusals]
        self.assertEqual(addresses, ["198.51.100.7", "192.168.1.1"])
