"""
Tests for L{aerostack.client.aio.channel}.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aerostack.client.aio.channel import Channel
from aerostack.testing.aio import AsyncWorld
from tests.client.aio.loops import LoopTestCase, until


async def take(channel: Channel, count: int, **options: Any) -> list[Any]:
    """
    Take the data of so many frames.
    """
    taken = []
    async for frame in channel.frames(**options):
        taken.append(frame.get("data"))
        if len(taken) == count:
            break
    return taken


class ChannelTests(LoopTestCase):
    """
    Tests for L{Channel}.
    """

    def test_handlers(self) -> None:
        """
        Functions and coroutine functions get frames until they are taken back.
        """

        async def story() -> None:
            heard: list[Any] = []

            async def slow(frame: Any) -> None:
                await asyncio.sleep(0)
                heard.append(("slow", frame["data"]))

            def quick(frame: Any) -> None:
                heard.append(("quick", frame["data"]))

            async with AsyncWorld() as daemon, daemon.client() as client:
                chat = client.channel("chat/a").on("e", slow).on("e", quick)
                await chat.subscribe()
                await chat.publish("e", 1)
                await until(lambda: len(heard) == 2)
                client.channel("chat/a").off("e", slow)
                await chat.publish("e", 2)
                await client.ping()
                await until(lambda: len(heard) == 3)
            self.assertEqual(heard, [("quick", 1), ("slow", 1), ("quick", 2)])

        self.run_(story())

    def test_failing(self) -> None:
        """
        A handler that raises is logged, and the others are called.
        """

        async def story() -> None:
            heard: list[Any] = []

            def broken(frame: Any) -> None:
                raise ValueError("broken")

            async def brokenLater(frame: Any) -> None:
                raise ValueError("broken later")

            async with AsyncWorld() as daemon, daemon.client() as client:
                chat = client.channel("chat/a").on("e", broken).on("e", brokenLater)
                chat.on("e", heard.append)
                await chat.subscribe()
                await chat.publish("e", 1)
                await until(lambda: heard)

        with self.assertLogs("aerostack.client", "ERROR") as logs:
            self.run_(story())
        self.assertEqual(len(logs.records), 2)
        self.assertIn("broken later", logs.output[1])
        self.assertIn("test_failing", logs.output[0])

    def test_frames(self) -> None:
        """
        A loop subscribes, gets every frame in order, and takes its handlers back when it is left.
        """

        async def story() -> None:
            async with AsyncWorld() as daemon, daemon.client() as client, daemon.sdk() as sdk:
                chat = client.channel("chat/a")
                taking = asyncio.create_task(take(chat, 3))
                await until(lambda: daemon.world.hub.registry.subscribers("chat/a/p"))
                for number in range(3):
                    await sdk.socket.emit("e", number, "chat/a")
                self.assertEqual(await taking, [0, 1, 2])
                await until(lambda: not client.inboxes)
                self.assertFalse(chat._inner._topic.events)
                self.assertEqual(await take(chat, 2, rewind=2), [1, 2])

        self.run_(story())

    def test_reconnecting(self) -> None:
        """
        A loop goes on over a broken connection, and misses nothing.
        """

        async def story() -> None:
            async with AsyncWorld() as daemon, daemon.client() as client, daemon.sdk() as sdk:
                taking = asyncio.create_task(take(client.channel("chat/a"), 2))
                await until(lambda: daemon.world.hub.registry.subscribers("chat/a/p"))
                await sdk.socket.emit("e", 1, "chat/a")
                daemon.world.cut()
                await sdk.socket.emit("e", 2, "chat/a")
                self.assertEqual(await taking, [1, 2])

        self.run_(story())

    def test_ends(self) -> None:
        """
        A loop ends when the channel is unsubscribed, and when the client is closed.
        """

        async def story() -> None:
            async with AsyncWorld() as daemon:
                async with daemon.client() as client:
                    left, stays = client.channel("chat/a"), client.channel("chat/b")
                    taking = [asyncio.create_task(take(each, 1)) for each in (left, stays)]
                    await until(lambda: left.isSubscribed and stays.isSubscribed)
                    await client.channel("chat/a").unsubscribe()
                    self.assertEqual(await taking[0], [])
                    self.assertFalse(taking[1].done())
                self.assertEqual(await taking[1], [])

        self.run_(story())

    def test_refused(self) -> None:
        """
        A loop raises why the daemon does not let the channel subscribe.
        """

        async def story() -> str:
            async with AsyncWorld() as daemon, daemon.client() as client:
                return (await self.refusal(take(client.channel("nothing"), 1))).code

        self.assertEqual(self.run_(story()), "unknown_table")

    def test_cancelled(self) -> None:
        """
        A time-out of the application ends a call and a loop, and the channel works on.
        """

        async def story() -> None:
            async with AsyncWorld() as daemon, daemon.client() as client:
                chat = client.channel("chat/a")
                daemon.world.reachable = False
                daemon.world.cut()
                for call in (chat.subscribe(), take(chat, 1), chat.publish("e", 0)):
                    with self.assertRaises(TimeoutError):
                        async with asyncio.timeout(0.01):
                            await call
                daemon.world.reachable = True
                await client.connect()
                await chat.subscribe()
                taking = asyncio.create_task(take(chat, 1))
                await asyncio.sleep(0)
                await chat.publish("e", 1)
                self.assertIn(await taking, ([0], [1]))

        self.run_(story())

    def test_unanswered(self) -> None:
        """
        A subscription that is not answered fails, and the error names the topic and the address.
        """

        async def story() -> str:
            async with AsyncWorld() as daemon, daemon.client(timeout=0.01) as client:
                daemon.world.reachable = False
                daemon.world.cut()
                return str(await self.refusal(client.channel("chat/a").subscribe()))

        said = self.run_(story())
        self.assertIn("ws://world.test has not answered the subscription to chat/a", said)
        self.assertIn("[timed_out]", said)

    def test_history(self) -> None:
        """
        The history has what was kept.
        """

        async def story() -> list[Any]:
            async with AsyncWorld() as daemon, daemon.client() as client:
                await client.sendChat("a", "hello")
                return await client.chatRoom("a").getHistory(1)

        (kept,) = self.run_(story())
        self.assertEqual(kept["data"]["text"], "hello")
