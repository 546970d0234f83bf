"""
What a worker asks the hub to publish.
"""

from __future__ import annotations

from msgspec import Struct

from aerostack.core.keyed.values import Condition
from aerostack.core.replay.publications import Receipt


class PublishEvent(Struct, frozen=True, array_like=True, tag=24):
    """
    Publish an event; the fields are those of L{aerostack.interfaces.publishing.IPublisher}.  The
    answer is an L{Accepted}.

    @ivar topic: The canonical topic.
    @ivar trace: Names the trace of the publication, as L{aerostack.core.diagnosis.tracing.Trace}
        does; L{None} if it is not traced.
    """

    topic: str
    event: str
    data: bytes
    userId: str | None
    persist: bool
    repeatKey: tuple[str | None, ...] | None
    publishId: str | None
    publisher: str | None
    replaces: int | None = None
    key: str | None = None
    condition: Condition | None = None
    trace: str | None = None


class PublishChat(Struct, frozen=True, array_like=True, tag=25):
    """
    Publish a chat message, as L{PublishEvent} publishes an event.

    @ivar metadata: JSON by name.
    @ivar trace: See L{PublishEvent}.
    """

    topic: str
    text: str
    metadata: dict[str, bytes] | None
    userId: str | None
    repeatKey: tuple[str | None, ...] | None
    publishId: str | None
    publisher: str | None
    trace: str | None = None


class Traced(Struct, frozen=True, array_like=True, tag=27):
    """
    The publication that the hub has sent last on a topic is traced.

    @ivar topic: The canonical topic.
    @ivar trace: See L{PublishEvent}.
    """

    topic: str
    trace: str


class Accepted(Struct, frozen=True, array_like=True, tag=26):
    """
    A publication has its place in the topic's order.

    @ivar id: With C{createdAt}, its L{Receipt}; L{None} if it is not kept.
    """

    id: str | None
    createdAt: int

    @property
    def receipt(self) -> Receipt | None:
        """The receipt."""
        return None if self.id is None else Receipt(self.id, self.createdAt)


def accepted(receipt: Receipt | None) -> Accepted:
    """
    The message that brings a receipt.
    """
    return Accepted(None, 0) if receipt is None else Accepted(receipt.id, receipt.createdAt)


KINDS: tuple[type[Struct], ...] = (PublishEvent, PublishChat, Traced, Accepted)
