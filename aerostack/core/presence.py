"""
The members that are present on topics.

A member is one connection's presence on one topic: two tabs of one user are two members.  A member
stays for a grace period when its connection breaks without a close.  If the same user comes back
within that period, the new connection takes the member over, and other clients see no leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from aerostack.core.roster import Roster
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError


@dataclass(frozen=True, slots=True)
class Member:
    """
    One presence on one topic.

    @ivar connectionId: The connection that tracked it first.  It names the member, and stays the
        same when another connection of the user takes the member over.
    @ivar userId: The user, or L{None} for a client without a name.
    @ivar state: The state that the client set, as JSON.
    @ivar since: When it joined, milliseconds since the epoch.
    @ivar client: A hash that identifies a client without a name; L{None} if there is none.
    """

    connectionId: str
    userId: str | None
    state: bytes
    since: int
    client: str | None = None

    @property
    def owner(self) -> tuple[str | None, str | None]:
        """The owner, who may take the member over when its connection is lost."""
        return self.userId, self.client if self.userId is None else None


@dataclass(frozen=True, slots=True)
class Tracked:
    """
    The result of L{Presence.track}.

    @ivar member: The member as it is now.
    @ivar joined: Whether the member is new.
    @ivar updated: Whether the member was there before and its state changed.
    @ivar fresh: Whether this connection had not tracked on the topic before, so that it needs the
        list of members.
    """

    member: Member
    joined: bool
    updated: bool
    fresh: bool


@dataclass(frozen=True, slots=True)
class Left:
    """
    A member that left, and its topic.
    """

    topic: str
    member: Member


COST = 500
"""About how many bytes a member takes beside its state."""

RETRY_AFTER = 2000
"""Milliseconds after which a client may try again, because other members have to leave first."""


@dataclass(frozen=True, slots=True)
class Room:
    """
    How many bytes members may take, including a fixed cost of each.

    @ivar project: The bound for the members of one project.
    @ivar daemon: The bound for all members.
    """

    project: int
    daemon: int


ROOM = Room(134_217_728, 268_435_456)


class Presence:
    """
    The members of every topic.

    @ivar grace: For how many seconds a lost connection's members stay.
    """

    def __init__(self, grace: float, room: Room = ROOM) -> None:
        self.grace = grace
        self._room = room
        # The bytes of the members of each connection, of each project, and of all.
        self._ofConnections: Counter[str] = Counter()
        self._ofProjects: Counter[str] = Counter()
        self._size = 0
        self._members: dict[str, Roster[Member]] = {}
        # The member that a connection holds on a topic: mostly its own, sometimes one that it took
        # over.
        self._holders: dict[str, dict[str, str]] = {}
        # Members without a connection, and until when they stay, by topic and member, in the order
        # in which they lost it.
        self._lost: dict[tuple[str, str], float] = {}
        # The same members by owner and topic, because very many clients may come back at once.
        self._awaited: dict[tuple[str | None, str | None], dict[str, dict[str, None]]] = {}

    def track(
        self,
        topic: str,
        connectionId: str,
        userId: str | None,
        state: bytes,
        now: int,
        client: str | None = None,
        most: int | None = None,
    ) -> Tracked:
        """
        Make a connection present on a topic, or change its state there.

        @param now: Milliseconds since the epoch.
        @param client: See L{Member}.
        @param most: How many bytes the states of one connection may have together; L{None}
            for no bound.
        @raise RealtimeError: C{too_large} or C{overloaded}: there is no room, and nothing was
            changed.
        """
        member = Member(connectionId, userId, state, now, client)
        self._checkRoom(topic, member, most)
        held = self._holders.setdefault(connectionId, {})
        key = held.get(topic)
        fresh = key is None
        if key is None:
            key = self._awaiting(topic, member)
            if key is None:
                key = connectionId
            else:
                self._found(topic, key)
                self._ofConnections[connectionId] += self._weight(topic, key)
            held[topic] = key
        members = self._members.get(topic)
        if members is None:
            members = self._members[topic] = Roster()
        before = members.get(key)
        if before is not None:
            member = replace(member, connectionId=key, since=before.since)
        if member != before:
            grown = len(state) - len(before.state) if before is not None else COST + len(state)
            members.put(key, member, len(state))
            self._count(topic, grown)
            self._ofConnections[connectionId] += grown
        return Tracked(
            member,
            joined=before is None,
            updated=before is not None and before.state != state,
            fresh=fresh,
        )

    def _checkRoom(self, topic: str, member: Member, most: int | None) -> None:
        """Make sure that there is room for a member."""
        weight = COST + len(member.state)
        connectionId = member.connectionId
        held = self._holders.get(connectionId, {}).get(topic)
        before = 0 if held is None else self._weight(topic, held)
        if most is not None:
            count = len(self._holders.get(connectionId, ())) + (held is None)
            if self._ofConnections[connectionId] - before + weight > most + COST * count:
                raise RealtimeError(
                    "too_large",
                    f"The states of a connection have at most {most} bytes together; untrack some"
                    " topics, or say less.",
                )
        key = held or self._awaiting(topic, member)
        grown = weight - (0 if key is None else self._weight(topic, key))
        project = projectOf(topic)
        if grown > 0 and (
            self._ofProjects[project] + grown > self._room.project
            or self._size + grown > self._room.daemon
        ):
            raise RealtimeError(
                "overloaded", "More members are present than there is room for.", RETRY_AFTER
            )

    def _weight(self, topic: str, key: str) -> int:
        return COST + len(self._member(topic, key).state)

    def _count(self, topic: str, grown: int) -> None:
        project = projectOf(topic)
        self._size += grown
        self._ofProjects[project] += grown
        if not self._ofProjects[project]:
            del self._ofProjects[project]

    def _awaiting(self, topic: str, newcomer: Member) -> str | None:
        """Find a member of the same owner whose connection was lost."""
        owner = newcomer.owner
        if owner == (None, None) or topic not in self._awaited.get(owner, ()):
            return None
        return next(iter(self._awaited[owner][topic]))

    def untrack(self, topic: str, connectionId: str) -> Member | None:
        """
        End a connection's presence on a topic.

        @return: The member that left; L{None} if there was none.
        """
        held = self._holders.get(connectionId, {})
        key = held.pop(topic, None)
        if key is None:
            return None
        self._ofConnections[connectionId] -= self._weight(topic, key)
        if not held:
            del self._holders[connectionId]
            del self._ofConnections[connectionId]
        return self._remove(topic, key)

    def leave(self, connectionId: str) -> list[Left]:
        """
        End all of a connection's presence at once, because the client closed it.
        """
        held = self._holders.pop(connectionId, {})
        self._ofConnections.pop(connectionId, None)
        return [Left(topic, self._remove(topic, key)) for topic, key in held.items()]

    def lose(self, connectionId: str, now: float) -> None:
        """
        Note that a connection was lost without a close.

        @param now: Seconds, on the scale of L{expire}.
        """
        self._ofConnections.pop(connectionId, None)
        for topic, key in self._holders.pop(connectionId, {}).items():
            self._lost[topic, key] = now + self.grace
            owner = self._member(topic, key).owner
            self._awaited.setdefault(owner, {}).setdefault(topic, {})[key] = None

    def expire(self, now: float, most: int | None = None) -> list[Left]:
        """
        End the presence of members that were lost and were not taken over in time.

        @param most: How many members are ended at the most.
        """
        gone: list[Left] = []
        while self._lost and (most is None or len(gone) < most):
            (topic, key), until = next(iter(self._lost.items()))
            if until > now:
                break
            self._found(topic, key)
            gone.append(Left(topic, self._remove(topic, key)))
        return gone

    def giveUp(self, project: str, userId: str) -> list[Left]:
        """
        End the presence of a user's lost members in a project before their grace is over.

        @param project: The project's id.
        """
        topics = self._awaited.get((userId, None), {})
        lost = [
            (topic, key) for topic in topics if projectOf(topic) == project for key in topics[topic]
        ]
        gone = []
        for topic, key in lost:
            self._found(topic, key)
            gone.append(Left(topic, self._remove(topic, key)))
        return gone

    def members(self, topic: str) -> Iterable[Member]:
        """
        All members of a topic, in the order in which they joined.
        """
        return self._members.get(topic, ())

    def roster(self, topic: str) -> Roster[Member] | None:
        """
        The members of a topic in blocks; L{None} if there is no member.
        """
        return self._members.get(topic)

    def topics(self) -> Collection[str]:
        """
        The topics that have a member.
        """
        return self._members.keys()

    def count(self, topic: str) -> int:
        """
        The number of members of a topic.
        """
        return len(self._members.get(topic, ()))

    def topicsOf(self, connectionId: str) -> tuple[str, ...]:
        """
        The topics on which a connection is present.
        """
        return tuple(self._holders.get(connectionId, ()))

    def _found(self, topic: str, key: str) -> None:
        """Forget that a member was lost."""
        del self._lost[topic, key]
        owner = self._member(topic, key).owner
        topics = self._awaited[owner]
        del topics[topic][key]
        if not topics[topic]:
            del topics[topic]
        if not topics:
            del self._awaited[owner]

    def _remove(self, topic: str, key: str) -> Member:
        self._count(topic, -self._weight(topic, key))
        members = self._members[topic]
        member = members.remove(key)
        if not members:
            del self._members[topic]
        return member

    def _member(self, topic: str, key: str) -> Member:
        member = self._members[topic].get(key)
        assert member is not None
        return member
