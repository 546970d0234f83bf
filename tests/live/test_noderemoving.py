"""
Users that a server removes from two daemons.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from aerostack.core.nodes.membership import UNKNOWN
from aerostack.server.housekeeping import RevocationMaintenance
from aerostack.sessions import users
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import TOKEN_SECRET, makeProject
from tests.live.clients import makeToken
from tests.live.nodes import NodesTests
from tests.live.wire import Refused

TOPIC = "chat/a"


class RemovingTests(NodesTests):
    """
    Tests for C{user.disconnect} and C{user.revoke} with two daemons.
    """

    grace = 60.0

    async def setUp(self) -> None:  # type: ignore[override]
        # What a daemon learns, it does not learn from a look at the database that comes by itself.
        self.patch(RevocationMaintenance, "interval", 3600.0)
        await super().setUp()

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET))}

    def removed(self, *connections: int | None, **more: Any) -> dict[str, Any]:
        """
        The answer, if the daemons have closed so many connections each; L{None} for a daemon that
        has not confirmed.
        """
        named = {f"n{number}": count for number, count in enumerate(connections)}
        done = {name: count for name, count in named.items() if count is not None}
        return {
            "success": True,
            "connections": sum(done.values()),
            "nodes": done,
            "unconfirmed": sorted(named.keys() - done.keys()),
            **more,
        }

    async def remove(self, method: str, *args: Any) -> tuple[int, Any]:
        """
        Remove a user.

        @return: The status and the answer, with the sum of each daemon's workers.
        """
        status, answer = await self.rpc(method, *args)
        nodes: Counter[str] = Counter()
        for name, connections in answer["nodes"].items():
            nodes[name.partition("/")[0]] += connections
        return status, {**answer, "nodes": nodes}

    async def test_disconnect(self) -> None:
        """
        The user's clients of both daemons get the code and the reason, and the presence of all
        leaves.
        """
        watcher, _ = await self.join(0, TOPIC)
        token = makeToken("ann")
        wires = [await self.connect(number, token) for number in (0, 1, 1)]
        other = await self.connect(1, makeToken("bob"))
        wires[1].tell({"type": "track", "topic": TOPIC, "state": {}})
        self.assertEqual((await watcher.frame())["event"], "presence:join")
        self.at(0)
        status, answer = await self.remove(
            "user.disconnect", "ann", {"reason": "Bye.", "code": 4242}
        )
        self.assertEqual((status, answer), (200, self.removed(1, 2)))
        for wire in wires:
            await wire.lost
            self.assertEqual((wire.closeCode, wire.closeReason), (4242, "Bye."))
        self.assertEqual((await watcher.frame())["event"], "presence:leave")
        self.assertEqual(await other.barrier(), [])

    async def test_revoke(self) -> None:
        """
        A token that one daemon has revoked is refused at once by the other one, which closes its
        connections.
        """
        old = makeToken("ann", iat=int(time.time()) - 10)
        wire = await self.connect(1, old)
        self.at(0)
        status, answer = await self.remove(
            "user.revoke", "ann", {"seconds": 60, "reason": "stolen"}
        )
        self.assertEqual((status, answer), (200, self.removed(0, 1, until=answer["until"])))
        self.assertIn("(stolen)", (await wire.frame())["message"])
        await wire.lost
        for number in (0, 1):
            with self.assertRaises(Refused) as caught:
                await self.connect(number, old)
            self.assertEqual(caught.exception.body["error"], "token_revoked")

    async def test_frozen(self) -> None:
        """
        A daemon that does not answer is named as one that has not confirmed.  It carries the order
        out when it goes on.
        """
        wire = await self.connect(1, makeToken("ann"))
        late: list[Any] = []
        nodes: Any = self.daemons[1].node.others
        self.patch(nodes, "pushed", late.append)
        self.patch(users, "PATIENCE", 0.3)
        self.at(0)
        status, answer = await self.remove("user.disconnect", "ann")
        self.assertEqual((status, answer), (200, self.removed(0, None)))
        for push in late:
            type(nodes).pushed(nodes, push)
        await wire.lost
        self.assertEqual(wire.closeCode, 4010)

    async def test_away(self) -> None:
        """
        While the server is away, the answer names the other daemon and those that may have come
        meanwhile.  The other one refuses the token as soon as the server is back.
        """
        old = makeToken("ann", iat=int(time.time()) - 10)
        wire = await self.connect(1, old)
        self.server.kill()
        await self.until(lambda: all(each.node.faults()["engine"] for each in self.daemons))
        self.at(0)
        status, answer = await self.remove("user.revoke", "ann", {"seconds": 60})
        self.assertEqual(status, 200)
        self.assertEqual((answer["nodes"], answer["unconfirmed"]), ({"n0": 0}, ["n1", UNKNOWN]))
        self.assertEqual(await wire.barrier(), [])
        self.server.start()
        self.assertEqual((await wire.frame())["code"], "token_revoked")
        await wire.lost
