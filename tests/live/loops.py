"""
A program on asyncio, which uses the client and the SDK in several event loops.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from aerostack.client.aio import AsyncSDK, RealtimeClient


async def talk(url: str, sdk: AsyncSDK, name: str, transport: str) -> list[Any]:
    """
    Hear what a server emits and a user publishes, and read an answer that a server streams.
    """
    heard: list[Any] = []
    async with RealtimeClient(url, projectId="p", userId=name, transport=transport) as client:
        chat = client.channel(f"chat/{name}")
        ready = asyncio.Event()
        chat.onSubscribed(lambda frame: ready.set())

        async def serve() -> None:
            await ready.wait()
            await sdk.socket.emit("message", "from the server", chat.topic, persist=True)
            await chat.publish("message", "from the user", persist=True)
            async with sdk.ai.stream(chat.topic, persist=False) as stream:
                await stream.write("an answer")

        serving = asyncio.create_task(serve())
        async for frame in chat:
            heard.append(frame["data"])
            if frame["event"] == "ai:done":
                break
        await serving
        newest = chat.answers.newest
        assert newest is not None
        heard.append(newest.text)
        heard.append([kept["data"] for kept in await chat.getHistory(2)])
    return heard


async def whole(url: str, sdk: AsyncSDK, name: str, transport: str) -> None:
    """
    Talk, and leave nothing behind.
    """
    # In debug mode asyncio warns of steps that take long, which depends on the machine.
    asyncio.get_running_loop().slow_callback_duration = float("inf")
    async with sdk:
        heard = await talk(url, sdk, name, transport)
        assert heard[:2] == ["from the server", "from the user"], heard
        assert heard[-2:] == ["an answer", ["from the user", "from the server"]], heard
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left


def main() -> None:
    """
    Use one event loop after the other, and two at once.
    """
    url, key = sys.argv[1:]
    sdk = AsyncSDK(url, key, timeout=300)
    for transport in ("websocket", "sse"):
        asyncio.run(whole(url, sdk, f"first-{transport}", transport))
    beside = threading.Thread(
        target=lambda: asyncio.run(whole(url, sdk, "beside", "websocket")), name="beside"
    )
    beside.start()
    asyncio.run(whole(url, sdk, "here", "websocket"))
    beside.join()
    assert "twisted.internet.reactor" not in sys.modules
    print("well")


if __name__ == "__main__":
    main()
