"""
What the hub and a worker say to each other of topics whose logs nodes share.
"""

from __future__ import annotations

from msgspec import Struct

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication, StreamMark
from aerostack.core.replay.shared import SharedEntry


class Place(Struct, frozen=True, array_like=True, gc=False):
    """
    A place in a shared log; the fields are those of L{Position}.
    """

    epoch: str
    offset: int
    mark: int
    seen: bool
    tag: str

    @property
    def position(self) -> Position:
        """The position."""
        return Position(self.epoch, self.offset, self.mark, seen=self.seen, tag=self.tag)


def placeOf(position: Position) -> Place:
    """
    A position in a shared log, for a message.
    """
    return Place(position.epoch, position.offset or 0, position.mark, position.seen, position.tag)


class Entered(Struct, frozen=True, array_like=True, gc=False, tag=136):
    """
    The hub brings the next entry of an attached topic's log.

    @ivar place: As C{position} of L{SharedEntry}.
    @ivar before: As of L{SharedEntry}.
    @ivar topic: With the other fields, its L{Publication}.
    @ivar stream: Its place in a token stream.
    @ivar key: Its key on a keyed topic.
    """

    place: Place
    before: str
    topic: str
    kind: str
    event: str
    data: bytes
    userId: str | None
    timestamp: int
    mark: int | None
    stream: StreamMark | None = None
    key: str | None = None

    @property
    def entry(self) -> SharedEntry:
        """The entry."""
        publication = Publication(
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
        return SharedEntry(self.place.position, self.before, publication)


def entered(entry: SharedEntry) -> Entered:
    """
    The message that brings an entry.
    """
    publication = entry.publication
    return Entered(
        placeOf(entry.position),
        entry.before,
        publication.topic,
        publication.kind,
        publication.event,
        publication.data,
        publication.userId,
        publication.timestamp,
        publication.mark,
        publication.stream,
        publication.key,
    )


class Follow(Struct, frozen=True, array_like=True, tag=137):
    """
    A worker wants a topic's entries and members.  The answer is a L{Followed}.

    @ivar known: See L{aerostack.interfaces.engine.ILogFeed.attach}.
    """

    topic: str
    known: Place | None


class Followed(Struct, frozen=True, array_like=True, tag=138):
    """
    The worker gets the topic's entries from here on.

    @ivar place: The place behind which they begin; L{None} for a table's topic.
    """

    place: Place | None


class ReadEntries(Struct, frozen=True, array_like=True, tag=139):
    """
    A worker wants to read entries of a log again; see
    L{aerostack.interfaces.engine.ILogFeed.read}.  The answer is an L{EntriesRead}.
    """

    topic: str
    after: int
    until: int | None
    limit: int
    size: int


class EntriesRead(Struct, frozen=True, array_like=True, tag=140):
    """
    Entries of a log, in order.
    """

    entries: list[Entered]


class Broken(Struct, frozen=True, array_like=True, tag=141):
    """
    Entries of an attached topic are missing; see
    L{aerostack.interfaces.engine.ILogReceiver.broken}.
    """

    topic: str
    head: Place
    reason: str


class EngineDown(Struct, frozen=True, array_like=True, tag=142):
    """
    The engine does not answer.
    """


class EngineUp(Struct, frozen=True, array_like=True, tag=143):
    """
    The engine answers, and every attached topic's entries come again.
    """


KINDS: tuple[type[Struct], ...] = (
    Entered,
    Follow,
    Followed,
    ReadEntries,
    EntriesRead,
    Broken,
    EngineDown,
    EngineUp,
)
