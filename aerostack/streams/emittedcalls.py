"""
What nodes ask each other about the events of servers that belong to a token stream, and how they
answer.
"""

from __future__ import annotations

import msgspec

from aerostack.core.replay.publications import EVENT, Publication, Receipt
from aerostack.errors import RealtimeError


class SentEvent(msgspec.Struct, frozen=True, array_like=True):
    """
    An event that a server has emitted at the asking node.

    @ivar timestamp: Milliseconds since the epoch.
    @ivar persist: Whether it is to be kept.
    """

    event: str
    data: bytes
    timestamp: int
    persist: bool

    def publication(self, topic: str) -> Publication:
        """
        The event as a publication on a canonical topic.
        """
        return Publication(topic, EVENT, self.event, self.data, None, self.timestamp)


class EmitCall(msgspec.Struct, frozen=True, array_like=True):
    """
    Lets the stream of a topic grow, or end, at the node that has it.

    @ivar owner: The run of that node; no other one does it.
    @ivar topic: The canonical topic.
    """

    owner: str
    topic: str
    events: list[SentEvent]


class Emission(msgspec.Struct, frozen=True, array_like=True):
    """
    What came of one event.

    @ivar isPlain: Whether it is no part of a stream.  The asking node publishes it as an event of
        its own.
    @ivar receipt: The id and the C{createdAt} of the message that keeps it; L{None} if it is not
        kept.
    @ivar code: If it was refused, the error, of which the next two are parts; else empty.
    """

    isPlain: bool = False
    receipt: tuple[str, int] | None = None
    code: str = ""
    message: str = ""
    retryAfter: int | None = None

    @property
    def result(self) -> Receipt | None:
        """
        What the publisher gets.

        @raise RealtimeError: The event was refused.
        """
        if self.code:
            raise RealtimeError(self.code, self.message, self.retryAfter)
        return None if self.receipt is None else Receipt(*self.receipt)


class Emissions(msgspec.Struct, frozen=True, array_like=True):
    """
    The answer to an L{EmitCall}: one for each event, in their order; or L{None} if the node does
    not have the stream.
    """

    all: list[Emission] | None = None


encode = msgspec.msgpack.Encoder().encode
decodeCall = msgspec.msgpack.Decoder(EmitCall).decode
decodeEmissions = msgspec.msgpack.Decoder(Emissions).decode
