"""
The daemon's log, and C{/health}.
"""

from __future__ import annotations

import json
import os

import jwt
from twisted.internet.defer import Deferred

from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET
from tests.live.program import ProgramTests
from tests.live.wire import Refused
from tests.net import Child


class LogTests(ProgramTests):
    """
    Tests for the log.
    """

    tokens = f"""
[projects.p.jwt]
algorithm = "HS256"
key = "{TOKEN_SECRET}"
"""

    def lines(self, daemon: Child) -> list[dict[str, object]]:
        """
        Return every line of a JSON log.
        """
        self.assertEqual(daemon.errors, "")
        self.assertTrue(daemon.output.endswith("\n"))
        return [json.loads(line) for line in daemon.output.splitlines()]

    async def test_json(self) -> None:
        """
        Every line is a JSON object with a time, a level and a message; those about a
        connection carry its id.
        """
        more = '[log]\nformat = "json"\nlevel = "debug"'
        daemon = await self.serve(self.configure(more=more))
        wire = await self.subscribed("chat/general")
        wire.tell({"type": "track", "topic": "chat/general", "state": {}})
        connection = [await wire.frame(), await wire.frame()][0]["data"]["connectionId"]
        await wire.closeCleanly()
        daemon.signal("TERM")
        await daemon.ended
        lines = self.lines(daemon)
        for line in lines:
            self.assertLessEqual({"time", "level", "namespace", "message"}, line.keys())
            self.assertRegex(str(line["time"]), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        (opened,) = [line for line in lines if "opened by" in str(line["message"])]
        self.assertEqual(opened["connection"], connection)
        self.assertIn("stopped", [line["message"] for line in lines])

    async def test_textLines(self) -> None:
        """
        In the text format an event is one line that begins with its time, even with a traceback.
        """
        more = '[log]\nlevel = "debug"'
        daemon = await self.serve(self.configure(more=more))
        wire = await self.subscribed("chat/general")
        await wire.closeCleanly()
        daemon.signal("TERM")
        await daemon.ended
        for line in daemon.output.splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]+ ")

    async def test_noCredentials(self) -> None:
        """
        No credential, valid or not, gets into the log from any place, at any level.
        """
        for format in ("text", "json"):
            more = f'{self.tokens}[log]\nformat = "{format}"\nlevel = "debug"'
            daemon = await self.serve(self.configure(server="query_credentials = true", more=more))
            good = jwt.encode({"sub": "ann", "projectId": "p"}, TOKEN_SECRET)
            bad = jwt.encode({"sub": "eve", "projectId": "p"}, "x" * 32)
            wrongKey = "pk_ffffffffffffffff"
            odd = "wrong-key-of-no-known-form"
            opened = [await self._everywhere(value) for value in (PUBLIC_KEY, SECRET_KEY, good)]
            refused = [await self._everywhere(value) for value in (wrongKey, odd, bad)]
            self.assertEqual((opened, refused), ([[101, 101, 200, 200]] * 3, [[401] * 4] * 3))
            wire = await self.client()
            for token in (good, bad):
                wire.tell({"type": "auth", "token": token})
            wire.text(b'{"type": "auth", "token": "%s"' % good.encode())
            await wire.lost
            # Only the configuration says that this is a credential.
            await self.http("GET", f"/{SECRET_KEY}/{PUBLIC_KEY}")
            daemon.signal("TERM")
            await daemon.ended
            output = daemon.output + daemon.errors
            for secret in (PUBLIC_KEY, SECRET_KEY, good, bad, wrongKey, odd, TOKEN_SECRET):
                self.assertNotIn(secret, output)
                if secret.startswith("ey"):
                    for part in secret.split("."):
                        self.assertNotIn(part, output)
            # The log had lines that could have contained them.
            self.assertGreaterEqual(output.count("/api/realtime"), 6)

    async def _everywhere(self, credential: str) -> list[int]:
        """
        Send a credential in every possible way.

        @return: The status of each answer.
        """
        isToken = credential.startswith("ey")
        kind, name = ("token", "token") if isToken else ("key", "apiKey")
        offer = {"Sec-WebSocket-Protocol": f"aerostack-{kind}.{credential}, aerostack-v1"}
        statuses = []
        for query, headers in (
            ("", offer),
            (f"&{name}={credential}", {}),
        ):
            wire = await self.wire()
            try:
                await wire.upgrade(f"/api/realtime?projectId=p{query}", headers)
                statuses.append(101)
                await wire.closeCleanly()
            except Refused as refused:
                statuses.append(refused.status)
        page = "/api/v1/public/realtime/history?room=chat/general"
        status, _ = await self.http("GET", page, Authorization=f"Bearer {credential}")
        statuses.append(status)
        headers = {"Authorization": f"Bearer {credential}"}
        if not isToken:
            headers = {"X_Aerostack_Key": credential}
        status, _ = await self.http("GET", f"{page}&before=5", **headers)
        return [*statuses, status]


class HealthTests(ProgramTests):
    """
    Tests for C{/health} when the database's file goes bad.
    """

    async def health(self) -> int:
        """
        Return the status of C{/health}.
        """
        status, body = await self.http("GET", "/health")
        self.assertEqual(body["status"], {200: "ok", 503: "failing"}[status])
        return status

    async def test_garbage(self) -> None:
        """
        C{/health} is red while the daemon cannot read the database, and green when it can again.
        Then changes arrive as before, on the same connection.
        """
        self.config.write_text(self.configure())
        self.execute("PRAGMA journal_mode = DELETE", "CREATE TABLE orders (id INTEGER)")
        await self.serve()
        wire = await self.subscribed("orders")
        self.execute("INSERT INTO orders VALUES (1)")
        self.assertEqual((await wire.frame())["data"], {"id": 1})
        self.assertEqual(await self.health(), 200)

        good = self.path.read_bytes()
        self._overwrite(b"\xff" * len(good))
        await self.until(lambda: Deferred.fromCoroutine(self._is(503)))
        self._overwrite(good)
        await self.until(lambda: Deferred.fromCoroutine(self._is(200)))
        self.execute("INSERT INTO orders VALUES (2)")
        while (told := await wire.frame())["type"] == "status":
            pass
        self.assertEqual(told["data"], {"id": 2})

    async def test_replaced(self) -> None:
        """
        C{/health} is red while the file is replaced or missing, because the daemon does not read
        what others write, and green when the file is back.
        """
        self.config.write_text(self.configure())
        self.execute("CREATE TABLE orders (id INTEGER)")
        await self.serve()
        aside = self.directory / "aside.db"
        os.rename(self.path, aside)
        await self.until(lambda: self._is(503))
        self.execute("CREATE TABLE orders (id INTEGER)")
        await self.until(lambda: self._is(503))
        _, body = await self.http("GET", "/health")
        self.assertIn("restart the daemon", body["checks"]["database"])
        os.rename(aside, self.path)
        await self.until(lambda: self._is(200))

    async def _is(self, status: int) -> bool:
        return await self.health() == status

    def _overwrite(self, content: bytes) -> None:
        with open(self.path, "r+b") as file:
            file.write(content)
