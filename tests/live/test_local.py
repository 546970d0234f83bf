"""
Access for programs on the daemon's machine.
"""

from __future__ import annotations

from dataclasses import replace

from aerostack.settings.settings import Config
from aerostack.testing import SECRET_KEY, makeProject
from tests.live.daemon import DaemonTests

ASKED = (
    ("GET", "/metrics", 401),
    ("GET", "/console/", 403),
    ("GET", "/console/main.js", 403),
    ("GET", "/internal/admin/overview", 403),
    ("POST", "/examples/api/orders/create", 403),
)
"""Paths that are for this machine only, and the refusals for others."""


class ExampleTests(DaemonTests):
    """
    Runs a daemon that serves everything that is for its machine only.
    """

    def projects(self):
        """The examples need a project that allows clients without credentials."""
        return {"p": makeProject()}

    def config(self) -> Config:
        """The configuration, with the examples on."""
        config = super().config()
        return replace(config, server=replace(config.server, examples=True))

    async def statuses(self, host: str) -> list[int]:
        """
        Return the answers to a request with a C{Host}.
        """
        found = []
        for method, path, _ in ASKED:
            wire = await self.wire()
            wire.keepRaw()
            key = "" if path == "/metrics" else f"Authorization: Bearer {SECRET_KEY}\r\n"
            wire.write(
                f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{key}Connection: close\r\n"
                "Content-Length: 2\r\n\r\n{}".encode()
            )
            await wire.lost
            found.append(int(wire.received.split()[1]))
        return found


class LocalTests(ExampleTests):
    """
    Tests for a listener with C{local=1}.
    """

    async def test_names(self) -> None:
        """
        A request by a name of the loopback interface is local.  A page of another origin whose
        host name resolves to this machine is not.
        """
        for host in ("localhost:1", "a.localhost", "127.0.0.1:1", "127.7.7.7", "[::1]:1"):
            self.assertEqual(await self.statuses(host), [200] * len(ASKED), host)
        refused = [status for _, _, status in ASKED]
        for host in (
            *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""),
            *("localhost:1@evil.example", "127.0.0.1:1@evil.example", "[::1]evil.example"),
        ):
            self.assertEqual(await self.statuses(host), refused, host)


class OtherListenerTests(ExampleTests):
    """
    Tests for a listener without C{local=1}.
    """

    local = 0

    async def test_refused(self) -> None:
        """
        A client from the loopback interface is not local there, because it may come through a TCP
        proxy.
        """
        refused = [status for _, _, status in ASKED]
        self.assertEqual(await self.statuses("localhost"), refused)
