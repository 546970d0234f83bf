"""
Tests for L{aerostack.client.blocking} that need no daemon.
"""

from __future__ import annotations

import socket
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client import blocking
from aerostack.client.blocking import BlockingSDK
from aerostack.client.errors import ClientError
from aerostack.testing import SECRET_KEY
from tests.ports import freePort


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

    def test_overslept(self) -> None:
        """
        A program that sleeps until the time of a call is over learns why the attempt before failed.
        """
        now = 50.0

        def sleep(seconds: float) -> None:
            nonlocal now
            now += 20.0

        self.patch(blocking, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
        with BlockingSDK(f"http://127.0.0.1:{freePort(self)}", SECRET_KEY, timeout=10.0) as sdk:
            error = self.assertRaises(ClientError, sdk.health)
        self.assertEqual(error.code, "unreachable")
        self.assertIn("refused", error.message)

    def test_noName(self) -> None:
        """
        A name that no host can have cannot be reached.
        """
        error = self.failure(f"http://{'a' * 70}.test", 10.0)
        self.assertEqual(error.code, "unreachable")
