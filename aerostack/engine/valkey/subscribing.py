"""
Subscribes to the channels of many topics at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import ensureDeferred, gatherResults

from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.refusals import LOST
from aerostack.engine.valkey.topics import groups


async def subscribe(
    link: Link,
    topics: Sequence[str],
    channelOf: Callable[[str], bytes],
    refused: Callable[[str, ValkeyError], None],
) -> list[str]:
    """
    Subscribe to a channel of each topic.

    @param channelOf: Gives the channel.
    @param refused: Gets each topic whose channel the server refuses, and why.
    @return: The topics whose channels are subscribed to; none of those for which the connection
        was lost.
    """

    async def some(names: Sequence[str]) -> Sequence[str]:
        try:
            await link.subscribe([channelOf(name) for name in names])
        except LOST:
            return ()
        except ValkeyError as error:
            # The server refuses all for one that it does not permit.
            half = len(names) // 2
            if half:
                return [*await some(names[:half]), *await some(names[half:])]
            refused(names[0], error)
            return ()
        return names

    asked = [ensureDeferred(some(group)) for group in groups(topics)]
    return [name for names in await gatherResults(asked, consumeErrors=True) for name in names]
