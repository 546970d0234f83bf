"""
Tests for L{aerostack.net.http.unready}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.static import Data

from aerostack.net.http.lobby import Lobby
from aerostack.net.http.server import BoundedSite
from aerostack.net.http.unready import UnreadyTree
from aerostack.net.intake import Intake
from aerostack.settings.limits import LimitsConfig


class UnreadyTests(SynchronousTestCase):
    """
    Tests for L{UnreadyTree}.
    """

    def ask(self, path: str, headers: str = "") -> tuple[bytes, Any]:
        """
        Send a request.

        @return: The answer, and the transport.
        """
        clock, limits = Clock(), LimitsConfig()
        tree = UnreadyTree(
            lambda: {"status": "failing", "checks": {"database": "is late"}},
            Data(b"aerostack_healthy 0", "text/plain"),
        )
        site = BoundedSite(tree, clock, limits, Lobby(clock, limits), Intake(clock), False)
        channel: Any = site.buildProtocol(None)  # type: ignore[arg-type]
        transport = StringTransport()
        channel.makeConnection(transport)
        channel.dataReceived(f"GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n".encode())
        clock.advance(0)
        return transport.value(), transport

    def test_health(self) -> None:
        """
        The health is red, with the reason.
        """
        answer, transport = self.ask("/health")
        self.assertTrue(answer.startswith(b"HTTP/1.1 503 "), answer)
        self.assertIn(b'"is late"', answer)
        self.assertTrue(transport.disconnecting)

    def test_metrics(self) -> None:
        """
        The metrics are served, and the connection is closed.
        """
        answer, transport = self.ask("/metrics")
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
        self.assertIn(b"aerostack_healthy 0", answer)
        self.assertTrue(transport.disconnecting)

    def test_others(self) -> None:
        """
        Every other request is refused with when to come again, and its connection is closed.
        """
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        )
        for path, headers in (
            ("/", ""),
            ("/api/v1/public/realtime/history?topic=a", ""),
            ("/api/realtime?projectId=p", upgrade),
        ):
            answer, transport = self.ask(path, headers)
            self.assertTrue(answer.startswith(b"HTTP/1.1 503 "), (path, answer))
            self.assertIn(b"database_unavailable", answer)
            self.assertIn(b"Retry-After: 2\r\n", answer)
            self.assertIn(b"Connection: close\r\n", answer)
            self.assertTrue(transport.disconnecting, path)
