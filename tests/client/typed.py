"""
A program of a user, which is only type-checked.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, assert_type

from aerostack.client.aio import AsyncSDK, Channel, RealtimeClient
from aerostack.client.blocking import BlockingSDK
from aerostack.client.errors import ClientError
from aerostack.client.results import EmitResult, HealthResult, Message, QueryResult
from aerostack.client.sdk import TwistedSDK

sdk = BlockingSDK("http://127.0.0.1:8787", "sk_0123456789abcdef", timeout=2.0)


def ship(orderId: int) -> bool:
    try:
        found: QueryResult = sdk.db.query(
            "UPDATE orders SET status = ? WHERE id = ANY(?)", ["shipped", [orderId]], timeout=40
        )
    except ClientError as error:
        return error.kind == "serialization_failure" or error.sqlstate is None
    kept: EmitResult = sdk.socket.emit("shipped", {"id": orderId}, "orders", persist=True)
    assert_type(kept.get("created_at"), int | None)
    assert_type(sdk.user.disconnect("ann")["connections"], int)
    return found["meta"]["changes"] > 0


def newest(messages: Sequence[Message]) -> int:
    return max(message["created_at"] for message in messages)


async def follow(chat: Channel) -> AsyncIterator[str]:
    async for frame in chat.frames(rewind=10):
        yield str(frame["data"])


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[AsyncSDK]:
    async with AsyncSDK("http://127.0.0.1:8787", "sk_0123456789abcdef") as made:
        yield made


async def main() -> None:
    print(newest(sdk.history("chat/general")))
    async with RealtimeClient("ws://127.0.0.1:8787", projectId="local") as client:
        chat = client.channel("chat/general").on("message", print)
        await chat.subscribe(timeout=5)
        async for text in follow(chat):
            print(text)
    async with lifespan(None) as made:
        result = await made.db.query("SELECT 1")
        assert_type(result["results"], list[dict[str, Any]])
        async with made.ai.stream("chat/general") as stream:
            await stream.write("x")


async def ask(twisted: TwistedSDK) -> None:
    assert_type(await twisted.health(), HealthResult)
    assert_type(await twisted.db.query("SELECT 1"), QueryResult)


asyncio.run(main())
