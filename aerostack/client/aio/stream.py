"""
Token streams that a server on asyncio writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.client import stream
from aerostack.client.aio.clock import settle
from aerostack.client.draft import DATA, REASONING, TEXT, TOOL
from aerostack.client.errors import ClientError
from aerostack.client.streams import StreamAccess, StreamCalls

_MOST = 1_048_576
"""How many characters may wait for the daemon; then L{Stream.write} waits."""

_END_PATIENCE = 2.0
"""Seconds for which a task that was cancelled waits for the end of its stream."""


class Stream:
    """
    A stream of a topic, while a server writes it.  L{AI.stream} makes it.

    @ivar id: Its id.
    """

    def __init__(self, inner: stream.Stream) -> None:
        self.id = inner.id
        self._inner = inner

    async def write(
        self, text: str, part: str = "0", kind: str = TEXT, reset: int | None = None
    ) -> None:
        """
        Add text.  It waits for the daemon only where more than a million characters do.

        @param part: The id of the part that grows.
        @param kind: C{text}, C{reasoning} or C{tool}: for a tool the text is a piece of its
            arguments.
        @param reset: Take back first what was written of the part behind this place, UTF-16 units;
            L{None} to take back nothing.
        @raise StreamEnded: The stream takes nothing more.
        @raise ClientError: The daemon refused a part, such as a value that is too large, and the
            stream has ended as failed.
        @raise TypeError: The text is no C{str}; of L{tool} and L{data}: the value is not JSON.
        @raise ValueError: The text has half a character in it, or C{reset} is no place between two
            characters of the part.
        """
        await self._sent(self._inner.write(text, part, kind, reset))

    async def reason(self, text: str, part: str = "reasoning") -> None:
        """
        Add text of the model's reasoning, which is no part of the answer's text.  See L{write}.
        """
        await self.write(text, part, REASONING)

    async def tool(self, call: str, name: str, **value: Any) -> None:
        """
        Show clients that the model calls a tool.  See L{write}.

        @param call: The id of the call.
        @param value: C{input}, the whole arguments; later C{output} or C{error} too.
        """
        await self._sent(self._inner.put(call, TOOL, {"name": name, **value}))

    async def data(self, id: str, name: str, value: Any) -> None:
        """
        Attach a value, instead of the one that had this id.  See L{write}.
        """
        await self._sent(self._inner.put(id, DATA, {"name": name, "value": value}))

    async def end(self, usage: Mapping[str, Any] | None = None) -> Any:
        """
        Send the rest, and end it.

        @param usage: What the answer has used, such as numbers of tokens.
        @return: C{stream}, C{state} and C{kept}.
        @raise StreamEnded: The stream takes nothing more.
        @raise ClientError: The daemon could not be reached for as long as a call may take.
        """
        return await settle(self._inner.end(usage))

    async def fail(self, error: str) -> Any:
        """
        Send the rest, and end it, because it has failed.

        @param error: The reason, which clients get.
        @return: As L{end}.
        """
        return await settle(self._inner.fail(error))

    async def _sent(self, sending: Deferred[None]) -> None:
        if sending.called or self._inner.waiting > _MOST:
            await settle(sending)
        else:
            # If the daemon cannot be reached, this text goes out with the next one.  If the stream
            # has ended, the next call raises that.
            sending.addErrback(lambda failure: failure.trap(ClientError) and None)
            # Let the event loop send: models may bring much at once.
            await asyncio.sleep(0)


class AI(StreamAccess[Coroutine[Any, Any, Any]]):
    """
    Token streams.
    """

    def __init__(
        self, calls: StreamCalls[Coroutine[Any, Any, Any]], inner: Callable[[], stream.AI]
    ) -> None:
        """
        @param inner: Gives those of the event loop that runs.
        """
        super().__init__(calls)
        self._inner = inner

    @asynccontextmanager
    async def stream(self, topic: str, **options: Any) -> AsyncGenerator[Stream, None]:
        """
        Begin a stream::

            async with sdk.ai.stream("ai-chat/7") as stream:
                async for token in tokens:
                    await stream.write(token)

        Leaving the block ends it: as done, or as failed where an exception leaves the block.  If
        the task is cancelled before the stream has begun, it ends as failed, too.

        @param options: The fields of L{aerostack.client.streams.Begin}.
        @raise ClientError: The daemon refused it.
        """
        beginning = self._inner().begin(topic, **options)
        try:
            inner = await settle(beginning.begun)
        except asyncio.CancelledError:
            # The stream may begin nevertheless.  It ends then, but the event loop must run.
            beginning.giveUp()
            ended = beginning.settled.asFuture(asyncio.get_running_loop())
            await asyncio.wait([ended], timeout=_END_PATIENCE)
            raise
        try:
            yield Stream(inner)
        except BaseException as error:
            if not inner.isOver:
                # The class says enough: the text of an exception may hold secrets.
                await _waitForEnd(inner.fail(type(error).__name__))
            raise
        if inner.refusal is not None:
            raise inner.refusal
        if not inner.isOver:
            await settle(inner.end())


async def _waitForEnd(ending: Deferred[Any]) -> None:
    """Wait for the end of a stream, but not for long: the exception says more."""
    try:
        async with asyncio.timeout(_END_PATIENCE):
            await settle(ending)
    except (ClientError, TimeoutError):
        # The lease ends the stream.
        return
