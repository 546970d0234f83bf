"""
The SDKs against a running daemon.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from twisted.internet.threads import deferToThread

from aerostack.client import blocking, repeating
from aerostack.client.blocking import BlockingSDK
from aerostack.client.errors import ClientError
from aerostack.client.sdk import TwistedSDK
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.daemon import DaemonTests
from tests.live.program import ProgramTests
from tests.net import socketPath

PATIENCE = 600.0
"""For how many seconds a call waits.  By itself it waits for less than a slow disk may take."""


class SDKTestCase(DaemonTests):
    """
    The calls to both SDKs.
    """

    @property
    def url(self) -> str:
        """The address of the daemon."""
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, method: str, *args: Any, **options: Any) -> Any:
        """
        Call a method, such as C{db.query}.
        """
        raise NotImplementedError

    async def fail(self, *call: Any) -> ClientError:  # type: ignore[override]
        """
        Make a call, and expect an error.
        """
        try:
            answer = await self.ask(*call)
        except ClientError as error:
            return error
        raise AssertionError(answer)


class SDKTestsMixin:
    """
    Tests that both SDKs run.
    """

    async def test_emit(self: Any) -> None:
        """
        An event reaches subscribers and, with C{persist}, is kept.
        """
        wire = await self.subscribed("chat/a")
        await self.ask("socket.emit", "e", {"text": "é"}, "chat/a")
        answer = await self.ask("socket.emit", "e", 2, "chat/a", persist=True, userId="bot")
        first, second = await wire.frames(2)
        self.assertEqual((first["data"], "userId" in first), ({"text": "é"}, False))
        self.assertEqual((second["data"], second["userId"]), (2, "bot"))
        (kept,) = await self.ask("history", "chat/a", 10)
        self.assertEqual((kept["id"], kept["user_id"]), (answer["id"], "bot"))
        before = kept["created_at"]
        self.assertEqual(await self.ask("history", "chat/a", before=before), [])

    async def test_query(self: Any) -> None:
        """
        A statement runs, with values of every kind.
        """
        await self.ask("db.query", "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, d)")
        params = [1.5, "é", None, b"\x00\xff"]
        answer = await self.ask(
            "db.query", "INSERT INTO t (a, b, c, d) VALUES (?, ?, ?, ?)", params
        )
        self.assertEqual((answer["meta"]["changes"], answer["meta"]["last_row_id"]), (1, 1))
        answer = await self.ask("db.query", "SELECT * FROM t")
        self.assertEqual(
            answer["results"], [{"id": 1, "a": 1.5, "b": "é", "c": None, "d": {"base64": "AP8="}}]
        )

    async def test_refused(self: Any) -> None:
        """
        A refusal of the daemon is raised, with its reason.
        """
        for call, code, text in (
            (("db.query", "SELEC 1"), "sql_error", "SELEC"),
            (("socket.emit", "e", 1, "chat/;"), "invalid_topic", "';'"),
            (("socket.emit", "", 1, "chat/a"), "invalid_event", "empty"),
            (("socket.emit", "e", "x" * 2_000_000, "chat/a"), "too_large", "bytes"),
        ):
            error = await self.fail(*call)
            self.assertEqual(error.code, code)
            self.assertIn(text, error.message)

    async def test_health(self: Any) -> None:
        """
        C{health} returns the daemon's health.
        """
        self.assertEqual((await self.ask("health"))["status"], "ok")

    async def test_explain(self: Any) -> None:
        """
        C{explain} returns why publications do not arrive.
        """
        found = await self.ask("explain", "ann", "chat/a")
        self.assertIn("ann has no connection", found["verdict"])


class TwistedTests(SDKTestsMixin, SDKTestCase):
    """
    Tests for L{TwistedSDK}.
    """

    async def ask(self, method: str, *args: Any, **options: Any) -> Any:
        sdk = TwistedSDK(self.reactor, self.url, SECRET_KEY, timeout=PATIENCE)
        call: Any = sdk
        for name in method.split("."):
            call = getattr(call, name)
        try:
            return await call(*args, **options)
        finally:
            await sdk.close()

    async def test_keepsConnection(self) -> None:
        """
        One connection serves many calls.
        """
        sdk = TwistedSDK(self.reactor, self.url, SECRET_KEY, timeout=PATIENCE)
        self.addCleanup(sdk.close)
        await sdk.health()
        before = len(self.reactor.getReaders())
        for _ in range(20):
            await sdk.socket.emit("e", 1, "chat/a")
        self.assertEqual(len(self.reactor.getReaders()), before)


class BlockingTests(SDKTestsMixin, SDKTestCase):
    """
    Tests for L{BlockingSDK}, in a thread.
    """

    async def ask(self, method: str, *args: Any, **options: Any) -> Any:
        with BlockingSDK(self.url, SECRET_KEY, timeout=PATIENCE) as sdk:
            call: Any = sdk
            for name in method.split("."):
                call = getattr(call, name)
            return await deferToThread(call, *args, **options)

    async def test_threads(self) -> None:
        """
        Many threads use one SDK at once, each gets its own answers, and they share few
        connections.
        """
        # No connection is idle for too long, however slow the threads are.
        self.patch(blocking, "_IDLE", PATIENCE)
        opened: list[object] = []
        with BlockingSDK(self.url, SECRET_KEY, timeout=PATIENCE) as sdk:
            connect = sdk._connect
            self.patch(sdk, "_connect", lambda until: opened.append(1) or connect(until))
            failed: list[Any] = []

            def work(thread: int) -> None:
                for n in range(40):
                    answer = sdk.db.query("SELECT ? AS thread, ? AS n", [thread, n])
                    if answer["results"] != [{"thread": thread, "n": n}]:
                        failed.append(answer)

            def all_at_once() -> None:
                threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

            await deferToThread(all_at_once)
            self.assertEqual(failed, [])
            self.assertLessEqual(len(opened), 8)

    async def test_spentConnection(self) -> None:
        """
        The SDK does not use a connection again that the daemon has closed, and the call succeeds.
        """
        with BlockingSDK(self.url, SECRET_KEY, timeout=PATIENCE, retry=False) as sdk:
            await deferToThread(sdk.socket.emit, "e", 1, "chat/a")
            port = self.port
            await self.stop()
            await self.start(port)
            await deferToThread(sdk.socket.emit, "e", 2, "chat/a")

    async def test_fork(self) -> None:
        """
        A forked process does not use its parent's connections.
        """
        with BlockingSDK(self.url, SECRET_KEY, timeout=PATIENCE) as sdk:
            await deferToThread(sdk.health)
            self.assertEqual(len(sdk._idle), 1)
            (_, parents), *_ = sdk._idle
            self.patch(os, "getpid", lambda: -1)
            self.assertIsNone(sdk._take())
            self.assertIsNotNone(parents.sock)
            parents.close()

    async def test_keys(self) -> None:
        """
        With the public key the SDK can read the history, and do nothing else.
        """
        with BlockingSDK(self.url, PUBLIC_KEY, projectId="p", timeout=PATIENCE) as sdk:
            self.assertEqual(await deferToThread(sdk.history, "chat/a"), [])
            error = await self.assertFailure(deferToThread(sdk.db.query, "SELECT 1"), ClientError)
            self.assertEqual(error.code, "forbidden")


class ProcessTests(ProgramTests):
    """
    Tests with a daemon that stops and starts.
    """

    async def test_restart(self) -> None:
        """
        A call during a restart of the daemon waits for it.
        """
        # The daemon may take longer to start than the SDK repeats a call.
        self.patch(repeating, "LONGEST_REPEATING", PATIENCE)
        config = self.configure(server="restart_time = 0\nreconnect_spread = 0")
        daemon = await self.serve(config)
        url = f"http://127.0.0.1:{self.port}"
        with BlockingSDK(url, SECRET_KEY, timeout=PATIENCE) as sdk:
            await deferToThread(sdk.socket.emit, "e", 1, "chat/a", persist=True)
            daemon.signal("TERM")
            await daemon.ended
            waiting = deferToThread(sdk.socket.emit, "e", 2, "chat/a", persist=True)
            await self.serve()
            await waiting
            messages = await deferToThread(sdk.history, "chat/a")
        self.assertEqual([message["data"] for message in messages], [2, 1])

    async def test_unix(self) -> None:
        """
        The SDK connects over a Unix socket.
        """
        path = socketPath()
        await self.serve(self.configure(f"unix:{path}"))
        with BlockingSDK(f"http+unix://{path}", SECRET_KEY, timeout=PATIENCE) as sdk:
            self.assertEqual((await deferToThread(sdk.health))["status"], "ok")
        with BlockingSDK(f"http+unix://{path.parent}/no.sock", SECRET_KEY, retry=False) as sdk:
            error = await self.assertFailure(deferToThread(sdk.health), ClientError)
            self.assertIn("No such file", error.message)
