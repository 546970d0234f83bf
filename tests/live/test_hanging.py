"""
The daemon is stopped while its database does not answer.
"""

from __future__ import annotations

from tests.live.program import ProgramTests
from tests.live.relay import Relay
from tests.postgres import PASSWORD, freshDatabase


class HangingTests(ProgramTests):
    """
    PostgreSQL, behind a network that swallows everything.
    """

    async def test_stop(self) -> None:
        """
        The daemon ends, though a message is being kept and a table is followed.
        """
        database = freshDatabase(self)
        database.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        relay = Relay(self.reactor, database.server.port)
        self.addCleanup(relay.stop)
        config = self.configure(more="[limits]\nclose_timeout = 1").replace(
            'url = "sqlite:///rt.db"',
            f'url = "{database.tcp(relay.port)}"\npassword = "{PASSWORD}"',
        )
        daemon = await self.serve(config)
        wire = await self.subscribed("orders")
        relay.cut()
        publish = {"type": "publish", "topic": "chat/a", "event": "e", "persist": True}
        for number in range(3):
            wire.tell({**publish, "data": number})
        wire.tell({"type": "ping"})
        await wire.frame()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        self.assertIn("does not answer; what it was sent is given up", daemon.output)
