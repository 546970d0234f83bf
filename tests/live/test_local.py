"""
Who is on the daemon's machine.
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
"""What is for this machine, and how others are refused."""


class ExampleTests(DaemonTests):
    """
    A daemon that serves everything that is for its machine only.
    """

    def projects(self):
        """The examples live in a project without credentials."""
        return {"p": makeProject()}

    def config(self) -> Config:
        """With the examples."""
        config = super().config()
        return replace(config, server=replace(config.server, examples=True))

    async def statuses(self, host: str) -> list[int]:
        """
        How everything is answered to somebody who calls the daemon by a name.
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
    A listener with C{local=1}.
    """

    async def test_names(self) -> None:
        """
        Who calls the daemon by a name of the loopback interface is on its machine; a page
        of elsewhere whose own name leads here is not.
        """
        for host in ("localhost:1", "a.localhost", "127.0.0.1:1", "127.7.7.7", "[::1]:1"):
            self.assertEqual(await self.statuses(host), [200] * len(ASKED), host)
        refused = [status for _, _, status in ASKED]
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""):
            self.assertEqual(await self.statuses(host), refused, host)


class OtherListenerTests(ExampleTests):
    """
    A listener of which the configuration does not say that only this machine gets there.
    """

    local = 0

    async def test_refused(self) -> None:
        """
        A client that comes from the loopback interface, as through a bare TCP proxy, is not
        on the machine.
        """
        refused = [status for _, _, status in ASKED]
        self.assertEqual(await self.statuses("localhost"), refused)
