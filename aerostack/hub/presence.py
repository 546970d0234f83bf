"""
Who is present on which topics, for the clients of this process: the service asks
L{aerostack.interfaces.roster.IRoster} to let them be present, and sends them whole sets of members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Raw
from twisted.internet.defer import Deferred

from aerostack.core.presence import Member, Tracked
from aerostack.core.roster import Block
from aerostack.core.topics.topics import Topic
from aerostack.hub.encoding import memberData
from aerostack.interfaces.roster import IMembers, IRoster
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.framing import Frame
from aerostack.protocol.serverframes import Event, Synced

AT_ONCE = 16_384
"""A set with at most so many bytes of states is sent right behind the frame that asked for it."""


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
    Lets connections be present, and sends clients the sets of members.

    @ivar rosters: The members of each topic; see L{aerostack.interfaces.roster.IMembers}.
    """

    def __init__(self, roster: IRoster, rosters: IMembers, now: Callable[[], int]) -> None:
        """
        @param roster: Decides who is present.
        @param rosters: The members of each topic.
        @param now: The time of day, milliseconds since the epoch.
        """
        self.rosters = rosters
        self._roster = roster
        self._now = now

    def track(
        self,
        connectionId: str,
        topic: Topic,
        userId: str | None,
        state: bytes,
        client: str | None = None,
        most: int | None = None,
    ) -> Deferred[Tracked]:
        """
        Let a connection be present on a topic, or change its state there.

        @param state: Bytes of JSON.
        @param client: See L{aerostack.core.presence.Member}.
        @param most: How many bytes the states of one connection may have together.
        @return: See L{IRoster.track}.
        """
        tracked: Deferred[Tracked] = self._roster.track(
            topic.canonical, connectionId, userId, state, client, most
        )
        return tracked

    def welcome(self, reader: IReader, topic: Topic, paged: bool, reads: bool) -> None:
        """
        Tell a client that has just become present on a topic who is there.

        @param paged: See L{sync}.
        @param reads: Whether the client may know who else is there.
        """
        if reads:
            self.sync(reader, topic, paged)
        elif paged:
            # The client waits for C{synced}, also where there are no members.
            nothing = iter((wireFrame(Synced(topic=topic.canonical, timestamp=self._now())),))
            reader.sync(topic.canonical, nothing, paged, True)

    def untrack(self, connectionId: str, topic: Topic) -> None:
        """
        End a connection's presence on a topic.  If it is not present there, that is no error.
        """
        self._roster.untrack(topic.canonical, connectionId)

    def leave(self, connectionId: str) -> None:
        """
        End all of a connection's presence now.
        """
        self._roster.leave(connectionId)

    def lose(self, connectionId: str) -> None:
        """
        Note that a connection was lost: its presence ends when the grace is over, unless its
        client comes back.
        """
        self._roster.lose(connectionId)

    def remove(self, project: str, userId: str) -> None:
        """
        End the presence of a user's lost connections, which would wait for the user to come back.

        @param project: The project's id.
        """
        self._roster.remove(project, userId)

    def topicsOf(self, connectionId: str) -> tuple[str, ...]:
        """
        The canonical topics on which a connection is present.
        """
        topics: tuple[str, ...] = self._roster.topicsOf(connectionId)
        return topics

    def sync(self, reader: IReader, topic: Topic, paged: bool, unasked: bool = False) -> None:
        """
        Tell a client who is present on a topic.

        @param paged: Whether the client asked for pages, and for a frame that says that they
            are over; if not, all members are in one frame, and without a member there is no
            frame.
        @param unasked: Whether the client does not know that the set comes, so that a frame
            has to say where it begins, even if the set is empty.
        """
        canonical = topic.canonical
        roster = self.rosters.roster(canonical)
        if roster is None and not paged and not unasked:
            return
        # A client that gets pages already still needs the frame that ends them.
        paged = paged or reader.isSyncing(canonical)
        frames = self._pages(canonical, unasked) if paged else self._whole(canonical, unasked)
        reader.sync(canonical, frames, paged, roster is None or roster.size <= AT_ONCE)

    def _whole(self, canonical: str, unasked: bool) -> Iterator[Frame]:
        """
        The whole set, as it is when the client is ready for it, in one frame.
        """
        roster = self.rosters.roster(canonical)
        if roster is None:
            if unasked:
                yield self._syncFrame(canonical, b'{"members":[]}')
            return
        if roster.encoded is None:
            texts = b",".join(_encodeBlock(block) for block in roster.blocks)
            roster.encoded = self._syncFrame(canonical, b'{"members":[' + texts + b"]}")
        yield roster.encoded

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
            data = b'{"members":[%b],"page":%d}' % (_encodeBlock(block), number)
            block.page = number, self._syncFrame(canonical, data)
        frame: Frame = block.page[1]
        return frame

    def _syncFrame(self, canonical: str, data: bytes) -> Frame:
        sync = Event(topic=canonical, event="presence:sync", data=Raw(data), timestamp=self._now())
        return wireFrame(sync)


def _encodeBlock(block: Block[Member]) -> bytes:
    """The members of a block, as JSON without the brackets."""
    if block.encoded is None:
        block.encoded = encodeValue([memberData(member) for member in block])[1:-1]
    encoded: bytes = block.encoded
    return encoded
