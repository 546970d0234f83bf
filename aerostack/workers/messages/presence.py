"""
The messages about who is present.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from aerostack.core.presence import Member

PIECE = 65_536
"""About how many bytes of members go in one message at the most."""

COST = 48
"""About how many bytes of a message a member takes beside its texts and its state."""


class MemberForm(Struct, frozen=True, array_like=True):
    """
    A member, without the hash of its client, which only the hub needs.

    @ivar connectionId: As of L{Member}.
    @ivar userId: As of L{Member}.
    @ivar state: As of L{Member}.
    @ivar since: As of L{Member}.
    """

    connectionId: str
    userId: str | None
    state: bytes
    since: int

    def member(self) -> Member:
        """
        The member.
        """
        return Member(self.connectionId, self.userId, self.state, self.since)


class Members(Struct, frozen=True, array_like=True, tag=64):
    """
    The hub sends some of a topic's members.  These messages come right before the answer that
    attaches the topic, one at the least.

    @ivar topic: The canonical topic.
    @ivar isFirst: Whether it is the first of them.
    @ivar members: In the order in which they joined.
    """

    topic: str
    isFirst: bool
    members: tuple[MemberForm, ...]


class Track(Struct, frozen=True, array_like=True, tag=65):
    """
    A worker asks to let a connection be present, or to change its state; the answer is a
    L{Tracked}.  See L{aerostack.interfaces.roster.IRoster.track}.
    """

    topic: str
    connectionId: str
    userId: str | None
    state: bytes
    client: str | None
    most: int | None


class Tracked(Struct, frozen=True, array_like=True, tag=66):
    """
    The connection is present.  See L{aerostack.core.presence.Tracked}.
    """

    member: MemberForm
    joined: bool
    updated: bool
    fresh: bool


class Untrack(Struct, frozen=True, array_like=True, tag=67):
    """
    A connection is not present on a topic any more.
    """

    topic: str
    connectionId: str


class Leave(Struct, frozen=True, array_like=True, tag=68):
    """
    A connection is not present anywhere any more.
    """

    connectionId: str


class Lose(Struct, frozen=True, array_like=True, tag=69):
    """
    A connection was lost; its presence waits for its client.
    """

    connectionId: str


class Remove(Struct, frozen=True, array_like=True, tag=70):
    """
    The presence of a user's lost connections ends.

    @ivar project: The project's id.
    """

    project: str
    userId: str


KINDS: tuple[type[Struct], ...] = (Members, Track, Tracked, Untrack, Leave, Lose, Remove)


def formOf(member: Member) -> MemberForm:
    """
    A member as it goes into messages.
    """
    return MemberForm(member.connectionId, member.userId, member.state, member.since)


def cutMembers(topic: str, members: Iterable[Member]) -> Iterator[Members]:
    """
    Put all members of a topic into messages.

    @param topic: The canonical topic.
    @param members: In the order in which they joined.
    @return: The messages, one at the least; none of them has more than L{PIECE} bytes, unless it
        has one member.
    """
    piece: list[MemberForm] = []
    size, isFirst = 0, True
    for member in members:
        # No character has more than four bytes.
        cost = COST + len(member.state) + 4 * (len(member.connectionId) + len(member.userId or ""))
        if piece and size + cost > PIECE:
            yield Members(topic, isFirst, tuple(piece))
            piece, size, isFirst = [], 0, False
        piece.append(formOf(member))
        size += cost
    if piece or isFirst:
        yield Members(topic, isFirst, tuple(piece))
