"""
Who is present on which topics, and what is told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from msgspec import Raw

from aerostack.core.presence import Left, Member, Presence
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.roster import Block
from aerostack.core.topics.topics import Topic
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.frames import Event, Synced
from aerostack.protocol.framing import Frame

AT_ONCE = 16_384
"""A set with at most so many bytes of states is sent right behind what asked for it."""


PIECE = 100
"""How many members whose grace is over leave in one step."""


class IReader(Protocol):
    """
    A session that gets whole sets of members.
    """

    def isSyncing(self, topic: str) -> bool:
        """Whether the pages of a set are still to be sent."""

    def sync(self, topic: str, frames: Iterator[Frame], paged: bool, atOnce: bool) -> None:
        """
        Send a topic's set, as fast as the client reads.

        @param frames: Each is made when the client is ready for it.
        @param paged: Whether the set is in pages.
        @param atOnce: Whether the set is so small that it need not wait for its turn.
        """


class PresenceService:
    """
    Lets connections be present, and tells the topics' subscribers.

    @ivar rosters: Who is present where.
    """

    def __init__(
        self,
        presence: Presence,
        seconds: Callable[[], float],
        now: Callable[[], int],
        publish: Callable[[Publication], object],
        checkBacklog: Callable[[str], None],
    ) -> None:
        """
        @param seconds: The time by which things grow old.
        @param now: The time, milliseconds since the epoch.
        @param publish: Gives something to every subscriber of its topic.
        @param checkBacklog: Raises a L{RealtimeError} where a topic's subscribers cannot be
            sent more now.
        """
        self.rosters = presence
        self._seconds = seconds
        self._now = now
        self._publish = publish
        self._checkBacklog = checkBacklog

    def track(
        self,
        reader: IReader,
        connectionId: str,
        topic: Topic,
        userId: str | None,
        state: bytes,
        paged: bool = False,
        client: str | None = None,
        reads: bool = True,
        most: int | None = None,
    ) -> None:
        """
        Let a connection be present on a topic, or say something new of itself.

        @param paged: See L{sync}.
        @param client: See L{aerostack.core.presence.Member}.
        @param reads: Whether the client may know who else is there.
        @param most: See L{aerostack.core.presence.Presence.track}.
        @raise RealtimeError: There is no room for it, or its subscribers cannot be told now.
        """
        self._checkBacklog(topic.canonical)
        tracked = self.rosters.track(
            topic.canonical, connectionId, userId, state, self._now(), client, most
        )
        if tracked.joined:
            self._tell(topic.canonical, "presence:join", tracked.member)
        elif tracked.updated:
            self._tell(topic.canonical, "presence:update", tracked.member)
        if tracked.fresh and reads:
            self.sync(reader, topic, paged)
        elif tracked.fresh and paged:
            # The client waits for C{synced}, also where there are no members.
            nothing = iter((wireFrame(Synced(topic=topic.canonical, timestamp=self._now())),))
            reader.sync(topic.canonical, nothing, paged, True)

    def untrack(self, connectionId: str, topic: Topic) -> None:
        """
        Let a connection be present on a topic no more; one that is not is no error.
        """
        member = self.rosters.untrack(topic.canonical, connectionId)
        if member is not None:
            self._tell(topic.canonical, "presence:leave", member)

    def leave(self, connectionId: str) -> None:
        """
        End all of a connection's presence now.
        """
        self._tellLeft(self.rosters.leave(connectionId))

    def lose(self, connectionId: str) -> None:
        """
        Note that a connection died without a word.
        """
        self.rosters.lose(connectionId, self._seconds())

    def sweep(self) -> Iterator[None]:
        """
        Tell of those whose grace is over, a few at a time.
        """
        while gone := self.rosters.expire(self._seconds(), PIECE):
            self._tellLeft(gone)
            yield

    def topicsOf(self, connectionId: str) -> Iterable[str]:
        """
        The canonical topics on which a connection is present.
        """
        return self.rosters.topicsOf(connectionId)

    def sync(self, reader: IReader, topic: Topic, paged: bool, unasked: bool = False) -> None:
        """
        Tell a client who is present on a topic.

        @param paged: Whether the client asked for pages, and for the word that they are
            over; if not, all members are in one frame, and where there is no member there
            is no frame.
        @param unasked: Whether the client does not know that the set comes, so that a frame
            has to say where it begins, be it empty.
        """
        canonical = topic.canonical
        roster = self.rosters.roster(canonical)
        if roster is None and not paged and not unasked:
            return
        # Pages that are under way owe their end.
        paged = paged or reader.isSyncing(canonical)
        frames = self._pages(canonical, unasked) if paged else self._whole(canonical, unasked)
        reader.sync(canonical, frames, paged, roster is None or roster.size <= AT_ONCE)

    def _whole(self, canonical: str, unasked: bool) -> Iterator[Frame]:
        """
        The whole set as it is when it is asked for, in one frame.
        """
        roster = self.rosters.roster(canonical)
        if roster is None:
            if unasked:
                yield self._syncFrame(canonical, b'{"members":[]}')
            return
        if roster.told is None:
            texts = b",".join(_told(block) for block in roster.blocks)
            roster.told = self._syncFrame(canonical, b'{"members":[' + texts + b"]}")
        yield roster.told

    def _pages(self, canonical: str, unasked: bool) -> Iterator[Frame]:
        """
        The set in pages, each as it is when the client is ready for it, and then their end.  A
        member that comes after the first page is sent as a C{presence:join}.
        """
        roster = self.rosters.roster(canonical)
        reached, number = 0, 0
        until = 0 if roster is None else roster.head
        while reached < until:
            roster = self.rosters.roster(canonical)
            block = None if roster is None else roster.after(reached)
            if block is None:
                break
            reached = block.high
            yield self._page(canonical, block, number)
            number += 1
        if unasked and not number:
            yield self._syncFrame(canonical, b'{"members":[],"page":0}')
        yield wireFrame(Synced(topic=canonical, timestamp=self._now()))

    def _page(self, canonical: str, block: Block[Member], number: int) -> Frame:
        if block.page is None or block.page[0] != number:
            data = b'{"members":[%b],"page":%d}' % (_told(block), number)
            block.page = number, self._syncFrame(canonical, data)
        frame: Frame = block.page[1]
        return frame

    def _syncFrame(self, canonical: str, data: bytes) -> Frame:
        sync = Event(topic=canonical, event="presence:sync", data=Raw(data), timestamp=self._now())
        return wireFrame(sync)

    def _tell(self, topic: str, event: str, member: Member) -> None:
        data = encodeValue(_memberData(member))
        self._publish(Publication(topic, PRESENCE, event, data, member.userId, self._now()))

    def _tellLeft(self, gone: Iterable[Left]) -> None:
        for left in gone:
            self._tell(left.topic, "presence:leave", left.member)


def _told(block: Block[Member]) -> bytes:
    """The members of a block, as JSON without the brackets."""
    if block.told is None:
        block.told = encodeValue([_memberData(member) for member in block])[1:-1]
    told: bytes = block.told
    return told


def _memberData(member: Member) -> dict[str, Any]:
    return {
        "userId": member.userId,
        "connectionId": member.connectionId,
        "state": Raw(member.state),
        "since": member.since,
    }
