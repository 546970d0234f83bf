"""
What the hub and a worker say to each other of topics and their logs.
"""

from __future__ import annotations

from msgspec import Struct, msgpack

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication, StreamMark
from aerostack.workers.frames import HEADER


class Published(Struct, frozen=True, array_like=True, gc=False, tag=16):
    """
    The hub brings a publication of an attached topic; the fields are those of L{Publication}.

    @ivar seen: Whether the newest mark of the topic's log is a kept message's then.
    @ivar stream: Its place in a token stream.
    @ivar key: Its key on a keyed topic.
    """

    topic: str
    kind: str
    event: str
    data: bytes
    userId: str | None
    timestamp: int
    mark: int | None
    seen: bool
    stream: StreamMark | None = None
    key: str | None = None

    @property
    def publication(self) -> Publication:
        """The publication."""
        return Publication(
            self.topic,
            self.kind,
            self.event,
            self.data,
            self.userId,
            self.timestamp,
            self.mark,
            self.stream,
            self.key,
        )


def published(publication: Publication, seen: bool) -> Published:
    """
    The message that brings a publication.
    """
    return Published(
        publication.topic,
        publication.kind,
        publication.event,
        publication.data,
        publication.userId,
        publication.timestamp,
        publication.mark,
        seen,
        publication.stream,
        publication.key,
    )


class Attach(Struct, frozen=True, array_like=True, tag=17):
    """
    A worker wants a topic's publications and members.  The answer is an L{Attached}.
    """

    topic: str


class Attached(Struct, frozen=True, array_like=True, tag=18):
    """
    The worker gets the topic's publications from here on.

    @ivar epoch: With the other fields, the head of the topic's log; see L{Position}.  L{None} for a
        table's topic, which has no log at the hub.
    """

    epoch: str | None = None
    offset: int = 0
    mark: int = 0
    seen: bool = False

    @property
    def head(self) -> Position | None:
        """The head of the topic's log."""
        if self.epoch is None:
            return None
        return Position(self.epoch, self.offset, self.mark, seen=self.seen)


class Detach(Struct, frozen=True, array_like=True, tag=19):
    """
    A worker does not want a topic any more.
    """

    topic: str


class Fill(Struct, frozen=True, array_like=True, tag=20):
    """
    A worker wants what the hub has of an attached topic's log from before.  The answer is a
    L{PastPage}, or L{Elsewhere}.

    @ivar epoch: The log's epoch.
    @ivar after: The offset after which the worker wants entries.
    @ivar until: The offset up to which it wants them.
    """

    topic: str
    epoch: str
    after: int
    until: int


class PastEntry(Struct, frozen=True, array_like=True, gc=False):
    """
    An entry of the hub's log.

    @ivar mark: See L{aerostack.core.replay.log.Entry}.
    @ivar age: How old it is, seconds.
    @ivar frame: A L{Published}, as the frame in which workers got it.
    """

    mark: int
    age: float
    frame: bytes

    @property
    def published(self) -> Published:
        """The message in the frame."""
        return _READER.decode(memoryview(self.frame)[HEADER:])


_READER = msgpack.Decoder(Published)


class PastPage(Struct, frozen=True, array_like=True, tag=21):
    """
    A part of the hub's log; the fields are those of L{aerostack.core.replay.log.Past}.

    @ivar begin: The offset of the first of C{entries}.
    """

    first: int
    base: int
    lostOffset: int
    lostMark: int
    begin: int
    entries: list[PastEntry]


class Elsewhere(Struct, frozen=True, array_like=True, tag=22):
    """
    The hub has no such log any more.
    """


class Behind(Struct, frozen=True, array_like=True, tag=23):
    """
    A worker has so many bytes of a topic still to send to its subscribers.
    """

    topic: str
    size: int


KINDS: tuple[type[Struct], ...] = (
    Published,
    Attach,
    Attached,
    Detach,
    Fill,
    PastPage,
    Elsewhere,
    Behind,
)
