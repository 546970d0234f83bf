"""
Tests for L{aerostack.client.aio.sdk} and L{aerostack.client.aio.stream}.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
from collections.abc import Callable
from threading import Thread
from typing import Any
from weakref import ref

from twisted.internet.defer import Deferred
from twisted.web.iweb import IAgent
from zope.interface import implementer

from aerostack.client.aio import network
from aerostack.client.aio.sdk import AsyncSDK
from aerostack.client.errors import ClientError
from aerostack.testing import SECRET_KEY
from aerostack.testing.aio import AsyncWorld
from aerostack.testing.world import URL
from tests.client.agents import Agent, Response
from tests.client.aio.loops import LoopTestCase, until
from tests.net import socketPath

HEALTH = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"checks": 1}'


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """
    Answer one question about the health, and wait for the client to close.
    """
    # A client may abort the connection, and an event loop that ends cancels the task.
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEALTH)
        await reader.read()
        writer.close()


def unclosed(warned: list[warnings.WarningMessage], url: str) -> list[str]:
    """
    The warnings about SDKs with an address.  The collector may also find what other tests left.
    """
    texts = [str(each.message) for each in warned]
    return [text.replace(url, "it") for text in texts if f"AsyncSDK of {url}:" in text]


class Ended(asyncio.SelectorEventLoop):
    """
    An event loop that lets another thread run when it is asked whether it has ended.
    """

    def __init__(self) -> None:
        self.meanwhile: list[Callable[[], object]] = []
        super().__init__()

    def is_closed(self) -> bool:
        # The other thread asks as well, and finds nothing to do.
        meanwhile, self.meanwhile = self.meanwhile, []
        for call in meanwhile:
            call()
        return super().is_closed()


class AsyncSDKTests(LoopTestCase):
    """
    Tests for L{AsyncSDK}.
    """

    def test_calls(self) -> None:
        """
        Each call gives the daemon's answer, or raises its refusal.
        """

        async def story() -> None:
            async with AsyncWorld() as daemon, daemon.sdk() as sdk:
                kept = await sdk.socket.emit("e", 1, "chat/a", persist=True)
                (message,) = await sdk.history("chat/a", 10)
                self.assertEqual((message["id"], message["data"]), (kept["id"], 1))
                self.assertTrue((await sdk.db.query("SELECT ?", [1]))["success"])
                self.assertEqual(daemon.world.queries, [("SELECT ?", [1])])
                self.assertEqual((await sdk.user.disconnect("ann"))["connections"], 0)
                error = await self.refusal(sdk.socket.emit("", 1, "chat/a"))
                self.assertEqual(error.code, "invalid_event")

        self.run_(story())

    def test_loops(self) -> None:
        """
        One object serves one event loop after the other.
        """
        daemon = AsyncWorld()
        sdk = daemon.sdk()

        async def story() -> Any:
            async with daemon:
                return await sdk.socket.emit("e", 1, "chat/a")

        self.assertEqual([self.run_(story())["success"] for _ in range(2)], [True, True])

    def test_unclosed(self) -> None:
        """
        An SDK that the application lets go without C{aclose} warns, and closes its connections.
        """

        # A connection that is kept does not close by itself.
        self.patch(network, "IDLE", 3600.0)

        async def story() -> list[str]:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                sdk = AsyncSDK(url, "sk_x")
                await sdk.health()
                del sdk
                gc.collect()
            # The server has a task for the connection, until the client has closed it.
            await until(lambda: len(asyncio.all_tasks()) == 1)
            server.close()
            await server.wait_closed()
            return unclosed(warned, url)

        said = "unclosed AsyncSDK of it: use it within async with, or await its aclose()"
        self.assertEqual(self.run_(story()), [said])

    def test_quiet(self) -> None:
        """
        An SDK without open connections is let go without a warning.
        """
        url = "http://127.0.0.1:1"
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            AsyncSDK(url, "sk_x")
            gc.collect()
        self.assertEqual(unclosed(warned, url), [])

    def test_endedLoops(self) -> None:
        """
        On its next event loop an SDK forgets one that has ended without C{aclose}, and warns.
        """
        path = socketPath()
        url = f"http+unix://{path}"
        sdk = AsyncSDK(url, "sk_x")
        writers = []

        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A writer that is collected closes its connection.
            writers.append(writer)
            await serve(reader, writer)

        async def story(last: bool) -> Any:
            server = await asyncio.start_unix_server(keep, path)
            await sdk.health()
            if last:
                await sdk.aclose()
            # Without wait_closed(), which waits for the connection that stays open.
            server.close()
            return ref(asyncio.get_running_loop())

        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            loops = [asyncio.run(story(last)) for last in (False, False, True)]
            gc.collect()
        said = unclosed(warned, url)
        # These hold event loops: a warning holds what it is about.
        writers.clear()
        warned.clear()
        gc.collect()
        self.assertEqual([loop() for loop in loops], [None, None, None])
        self.assertEqual(len(said), 2)

    def test_threads(self) -> None:
        """
        Event loops of several threads use one SDK, also while it forgets one that has ended.
        """
        agent = Agent()
        agent.answers = [Response(200, b'{"checks": 1}') for _ in range(3)]
        sdk = AsyncSDK(URL, "sk_x", agent=agent)

        def ask() -> None:
            self.assertEqual(asyncio.run(sdk.health()), {"checks": 1})

        with asyncio.Runner(loop_factory=Ended) as runner:
            runner.run(sdk.health())
            ended: Any = runner.get_loop()
        other = Thread(target=ask)
        ended.meanwhile = [other.start, other.join]
        ask()
        self.assertEqual((agent.answers, ended.meanwhile), ([], []))

    def test_cancelled(self) -> None:
        """
        A call that the application gives up is not repeated.
        """

        async def story() -> int:
            asked: list[bytes] = []

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                asked.append(await reader.readline())
                await reader.read()
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            async with AsyncSDK(f"http://127.0.0.1:{port}", "sk_x") as sdk:
                call = asyncio.create_task(sdk.history("chat/a"))
                while not asked:
                    await asyncio.sleep(0.001)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
                self.assertTrue(call.cancelled())
                # A repetition would come after 0.2 seconds at the most.
                await asyncio.sleep(0.3)
            server.close()
            await server.wait_closed()
            return len(asked)

        self.assertEqual(self.run_(story()), 1)


@implementer(IAgent)
class Held:
    """
    Makes requests, and keeps the first answer back until a test lets it come.
    """

    def __init__(self, inner: Any) -> None:
        self.came = asyncio.Event()
        self.answered: Deferred[None] = Deferred()
        self._inner = inner

    def request(self, *args: Any, **named: Any) -> Deferred[Any]:
        made: Deferred[Any] = self._inner.request(*args, **named)
        if self.came.is_set():
            return made
        self.came.set()
        return made.addCallback(lambda answer: self.answered.addCallback(lambda _: answer))


class StreamTests(LoopTestCase):
    """
    Tests for L{aerostack.client.aio.stream.AI}.
    """

    def test_written(self) -> None:
        """
        What is written arrives, and the stream is done at the end of its block.
        """

        async def story() -> Any:
            async with AsyncWorld() as daemon, daemon.sdk() as sdk:
                async with sdk.ai.stream("ai-chat/1", persist=True) as stream:
                    for word in ("one ", "two"):
                        await stream.write(word)
                    await stream.reason("because")
                    await stream.tool("c1", "search", input={"q": 1})
                    await stream.data("d1", "source", "x")
                return await sdk.ai.get(stream.id)

        found = self.run_(story())
        self.assertEqual((found["text"], found["state"]), ("one two", "done"))
        kinds = [part["kind"] for part in found["parts"]]
        self.assertEqual(kinds, ["text", "reasoning", "tool", "data"])

    def test_givenUp(self) -> None:
        """
        A stream whose task is cancelled before it has begun ends as failed.
        """

        async def story() -> list[Any]:
            async with AsyncWorld() as daemon:
                agent = Held(daemon.world.agent())
                async with AsyncSDK(URL, SECRET_KEY, agent=agent) as sdk:
                    block = sdk.ai.stream("ai-chat/1", persist=True)
                    starting = asyncio.create_task(block.__aenter__())
                    await agent.came.wait()
                    starting.cancel()
                    await asyncio.sleep(0)
                    self.assertFalse(starting.done())
                    agent.answered.callback(None)
                    await asyncio.gather(starting, return_exceptions=True)
                    self.assertTrue(starting.cancelled())
                    return [each["data"] for each in await sdk.history("ai-chat/1")]

        (kept,) = self.run_(story())
        self.assertEqual(kept["state"], "failed")

    def test_refused(self) -> None:
        """
        A part that the daemon refuses ends the stream as failed at once, and the block raises why.
        """

        async def story(isLeftAtOnce: bool) -> str:
            async with AsyncWorld() as daemon, daemon.sdk() as sdk:
                with self.assertRaises(ClientError) as caught:
                    async with sdk.ai.stream("ai-chat/1", persist=True) as stream:
                        await stream.data("d1", "rows", "x" * 1_000_000)
                        await until(lambda: isLeftAtOnce or stream._inner.isOver)
                self.assertEqual(caught.exception.code, "too_large")
                while (found := await sdk.ai.get(stream.id))["state"] == "streaming":
                    pass
                return str(found["state"])

        for isLeftAtOnce in (True, False):
            self.assertEqual(self.run_(story(isLeftAtOnce)), "failed")

    def test_failed(self) -> None:
        """
        An exception in the block, and a time-out of the application, let the stream fail.
        """

        async def story() -> list[Any]:
            ends = []
            async with AsyncWorld() as daemon, daemon.sdk() as sdk:
                with self.assertRaises(ZeroDivisionError):
                    async with sdk.ai.stream("ai-chat/1", persist=True) as first:
                        raise ZeroDivisionError
                with self.assertRaises(TimeoutError):
                    async with (
                        asyncio.timeout(None) as limit,
                        sdk.ai.stream("ai-chat/1", persist=True) as second,
                    ):
                        limit.reschedule(0)
                        await asyncio.Event().wait()
                for stream in (first, second):
                    found = await sdk.ai.get(stream.id)
                    ends.append((found["state"], found.get("error")))
            return ends

        states = [state for state, _ in self.run_(story())]
        self.assertEqual(states, ["failed", "failed"])
