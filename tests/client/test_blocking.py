"""
Tests for L{aerostack.client.blocking} that need no daemon.
"""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.blocking import BlockingSDK
from aerostack.client.errors import ClientError
from aerostack.testing import SECRET_KEY


class ConnectingTests(SynchronousTestCase):
    """
    Tests for calls that come to no connection.
    """

    def failure(self, url: str, timeout: float) -> ClientError:
        """
        The error of a call.
        """
        with BlockingSDK(url, SECRET_KEY, timeout=timeout, retry=False) as sdk:
            return self.assertRaises(ClientError, sdk.health)

    def test_late(self) -> None:
        """
        A call whose time is over before it begins fails as a late one does.
        """
        for url in ("http://127.0.0.1:1", "https://127.0.0.1:1", "http+unix:///nowhere/rt.sock"):
            self.assertEqual(self.failure(url, 0.0).code, "timed_out")

    def test_silent(self) -> None:
        """
        The error of a server that does not answer the beginning of TLS says so.
        """
        with socket.create_server(("127.0.0.1", 0)) as silent:
            error = self.failure(f"https://127.0.0.1:{silent.getsockname()[1]}", 0.2)
        self.assertEqual(error.code, "unreachable")
        self.assertIn(": it did not answer in time.", error.message)

    def test_noName(self) -> None:
        """
        A name that no host can have cannot be reached.
        """
        error = self.failure(f"http://{'a' * 70}.test", 10.0)
        self.assertEqual(error.code, "unreachable")
