"""
Users that a server removes: over HTTP, a WebSocket and a database.
"""

from __future__ import annotations

import time
from collections import Counter
from socket import gethostname
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.testing import PUBLIC_KEY
from tests.live.clients import makeToken
from tests.live.requests import HTTPTests
from tests.live.wire import Refused, Wire


class RemovingTests(HTTPTests):
    """
    Tests for C{user.disconnect} and C{user.revoke}.
    """

    grace = 30.0

    async def connect(self, token: str) -> Wire:
        """
        Connect with a token.
        """
        wire = await self.wire()
        protocols = f"aerostack-token.{token}, aerostack-v1"
        await wire.upgrade("/api/realtime?projectId=p", {"Sec-WebSocket-Protocol": protocols})
        return wire

    def removed(self, connections: int, **more: Any) -> dict[str, Any]:
        """
        The answer of this daemon.
        """
        nodes = {gethostname(): connections}
        return {
            **{"success": True, "connections": connections, "nodes": nodes, "unconfirmed": []},
            **more,
        }

    async def remove(self, method: str, *args: Any) -> tuple[int, Any]:
        """
        Remove a user.

        @return: The status and the answer, with the sum of each machine's workers.
        """
        status, answer = await self.rpc(method, *args)
        nodes: Counter[str] = Counter()
        for name, connections in answer["nodes"].items():
            nodes[name.partition("/")[0]] += connections
        return status, {**answer, "nodes": nodes}

    async def test_disconnect(self) -> None:
        """
        The client gets the code and the reason, the others see it leave at once, and it may come
        back.
        """
        token = makeToken("ann")
        watcher = await self.subscribed("chat/a")
        wire = await self.connect(token)
        wire.tell({"type": "track", "topic": "chat/a", "state": {}})
        self.assertEqual((await watcher.frame())["event"], "presence:join")
        reason = "Zu spät für heute."
        answer = await self.remove("user.disconnect", "ann", {"reason": reason, "code": 4242})
        self.assertEqual(answer, (200, self.removed(1)))
        self.assertEqual((await watcher.frame())["event"], "presence:leave")
        await wire.lost
        self.assertEqual((wire.closeCode, wire.closeReason), (4242, reason))
        wire = await self.connect(token)
        self.assertEqual(await self.remove("user.disconnect", "ann"), (200, self.removed(1)))
        await wire.lost
        self.assertEqual((wire.closeCode, wire.closeReason), (4010, ""))

    async def test_silentClient(self) -> None:
        """
        The presence of a client that does not answer the close leaves at once, too.
        """
        watcher = await self.subscribed("chat/a")
        wire = await self.connect(makeToken("ann"))
        wire.tell({"type": "track", "topic": "chat/a", "state": {}})
        self.assertEqual((await watcher.frame())["event"], "presence:join")
        wire.keepRaw()
        await self.rpc("user.disconnect", "ann")
        self.assertEqual((await watcher.frame())["event"], "presence:leave")

    async def test_revoke(self) -> None:
        """
        Tokens from before are refused everywhere, also after a restart; later ones are not.
        """
        now = int(time.time())
        old, new = makeToken("ann", iat=now - 10), makeToken("ann", iat=now + 600)
        wire, other = await self.connect(old), await self.connect(makeToken("bob"))
        status, answer = await self.remove(
            "user.revoke", "ann", {"seconds": 3600, "reason": "stolen"}
        )
        self.assertEqual((status, answer), (200, self.removed(1, until=answer["until"])))
        error = await wire.frame()
        self.assertEqual(error["code"], "token_revoked")
        self.assertIn("(stolen)", error["message"])
        await wire.lost
        self.assertEqual((wire.closeCode, wire.closeReason), (4001, "token_revoked"))
        self.assertEqual(await other.barrier(), [])
        for _ in range(2):
            refused: Refused = await self.assertFailure(self.opening(old), Refused)
            self.assertEqual((refused.status, refused.body["error"]), (401, "token_revoked"))
            path = "/api/v1/public/realtime/history?room=chat/a/p"
            status, body, _ = await self.http("GET", path, Authorization=f"Bearer {old}")
            self.assertEqual((status, body["error"]), (401, "token_revoked"))
            fresh = await self.connect(new)
            fresh.tell({"type": "auth", "token": old})
            self.assertEqual((await fresh.frame())["code"], "token_revoked")
            await fresh.lost
            await self.stop()
            await self.start()

    def opening(self, token: str) -> Deferred[Wire]:
        """
        Begin to connect with a token.
        """
        return Deferred.fromCoroutine(self.connect(token))

    async def test_otherNode(self) -> None:
        """
        What another daemon on the same database has revoked holds here at the next read.
        """
        wire = await self.connect(makeToken("ann"))
        end = int((time.time() + 3600) * 1000)
        self.execute(
            "INSERT INTO realtime_revocations VALUES"
            f" ('p', 'ann', '', {int(time.time() * 1000)}, {end}, 'elsewhere')"
        )
        await self.front.revocations.read()
        self.assertIn("(elsewhere)", (await wire.frame())["message"])
        await wire.lost
        self.assertEqual(wire.closeCode, 4001)

    async def test_refused(self) -> None:
        """
        Without the secret key of the project nothing happens; a reason of a megabyte is refused.
        """
        token = makeToken("ann")
        wire = await self.connect(token)
        for method, options in (("user.disconnect", {}), ("user.revoke", {"seconds": 60})):
            for key, code in (
                *((PUBLIC_KEY, "forbidden"), (token, "forbidden")),
                ("sk_of_quiet_89abcdef", "wrong_project"),
            ):
                await self.assertRefused(403, code, method, "ann", options, key=key)
            long = {**options, "reason": "x" * 1_000_000}
            await self.assertRefused(413, "too_large", method, "ann", long)
            long = {**options, "reason": "x" * 2000}
            await self.assertRefused(400, "invalid_arguments", method, "ann", long)
        self.assertEqual(await wire.barrier(), [])
