"""
A server that C{aerostack-rt init --server} has set up.
"""

from __future__ import annotations

import json
import re

from tests.live.commands import CommandTests
from tests.live.wire import Refused
from tests.ports import freePort


class ServerTests(CommandTests):
    """
    Runs the daemon with the configuration that the command writes.
    """

    async def test_serves(self) -> None:
        """
        The daemon starts with the configuration, and a user gets a token for it, publishes with
        that, and is refused without it.
        """
        url = f"sqlite:///{self.directory}/rt.db"
        writing = self.command("init", "--server", "--database", url, str(self.directory))
        self.assertEqual(await writing.ended, 0, writing.errors)
        text = self.config.read_text()
        ports = {"8787": str(self.port), "8788": str(freePort(self))}
        for port in ports:
            self.assertIn(port, text)
        # Both at once: the digits of the one may stand in the port that replaces the other.
        await self.serve(re.sub("|".join(ports), lambda found: ports[found[0]], text))
        options = ("--config", str(self.config))
        making = self.command("token", "ann", *options)
        self.assertEqual(await making.ended, 0, making.errors)
        token = making.output.strip()
        publishing = self.command(
            "publish", "chat/a", "said", '{"a": 1}', *options, AEROSTACK_TOKEN=token
        )
        self.assertEqual(await publishing.ended, 0, publishing.errors)
        asking = self.command("status", "--json", *options)
        self.assertEqual(await asking.ended, 0, asking.errors)
        self.assertEqual(json.loads(asking.output)["status"], "ok")
        wire = await self.wire()
        refused = await self.assertFailure(wire.upgrade("/api/realtime?projectId=app"), Refused)
        self.assertEqual(refused.status, 401)
