"""
The members of topics as a node has them.  The server pushes each change to the node, and the
node compares versions to see whether it has missed one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from twisted.internet.defer import Deferred

from aerostack.core.presence import Member
from aerostack.core.roster import Roster
from aerostack.engine.valkey.memberchanges import SetChange, SetVersion

JOIN, UPDATE, LEAVE = "presence:join", "presence:update", "presence:leave"

Notice = tuple[str, Member]
"""What subscribers get: the event, and the member."""

_EMPTY: Roster[Member] = Roster()
"""What every set has in which no member has been: most topics have none."""


class MemberSet:
    """
    The members of one topic.

    @ivar roster: The members, in the order in which they joined as far as the node knows.
    @ivar version: The set's version that the node has; L{None} before it was read.
    @ivar isLive: Whether the version is that of the present connection.
    @ivar seen: While the set is read, the names that were read or have come meanwhile; else
        L{None}.
    """

    __slots__ = ("isLive", "roster", "seen", "version")

    def __init__(self) -> None:
        self.roster = _EMPTY
        self.version: SetVersion | None = None
        self.isLive = False
        self.seen: set[str] | None = None

    def isOld(self, version: SetVersion) -> bool:
        """
        Whether the node has a change already.
        """
        mine = self.version
        return (
            self.isLive
            and mine is not None
            and mine.epoch == version.epoch
            and version.number <= mine.number
        )

    def disagrees(self, version: SetVersion) -> bool:
        """
        Whether the server must have lost data, or has come back with older data: its version comes
        before that of the node, or its set was made anew while the node knows members.
        """
        mine = self.version
        if mine is None:
            return False
        if mine.epoch == version.epoch:
            return version.number < mine.number
        return len(self.roster) > 0

    def advance(self, version: SetVersion) -> bool:
        """
        Take note of the next version, before the change is made.

        @return: Whether it follows; if not, the set has to be read.
        """
        mine = self.version
        if not self.isLive or mine is None:
            return False
        if mine.epoch == version.epoch:
            follows = version.number == mine.number + 1
        else:
            # A set without members may be made anew.
            follows = version.number == 1 and not self.roster
        if follows:
            self.version = version
        elif mine.epoch != version.epoch and not self.roster:
            # Nothing speaks against what will be read.
            self.version = None
        return follows

    def apply(self, change: SetChange) -> Notice | None:
        """
        Make a change.  Changes come in the order in which the server made them.

        @return: What subscribers get; L{None} if nothing is new to them.
        """
        if change.member is None:
            return self.drop(change.name)
        return self.put(change.member)

    def put(self, member: Member) -> Notice | None:
        """
        Add a member, or replace it.
        """
        name = member.connectionId
        if self.seen is not None:
            self.seen.add(name)
        before = self.roster.get(name)
        if before == member:
            return None
        if self.roster is _EMPTY:
            self.roster = Roster()
        self.roster.put(name, member, len(member.state))
        if before is None:
            return JOIN, member
        return (UPDATE, member) if before.state != member.state else None

    def drop(self, name: str) -> Notice | None:
        """
        Remove a member, if it is there.
        """
        if self.seen is not None:
            self.seen.discard(name)
        if self.roster.get(name) is None:
            return None
        return LEAVE, self.roster.remove(name)

    def unseen(self) -> list[str]:
        """
        The names that were not there when the set was read.
        """
        seen = self.seen or set()
        return [each.connectionId for each in self.roster if each.connectionId not in seen]


class Attached:
    """
    A topic that is attached.

    @ivar waiting: Fires when the set is there; L{None} once it has.
    @ivar isAnnounced: Whether subscribers get the changes: once the set is there, or from the
        beginning.
    @ivar deadline: Until when that may take, seconds of the clock.
    @ivar isReading: Whether the set is being read.
    @ivar isRefused: Whether the server did not permit the channel.
    """

    __slots__ = ("deadline", "isAnnounced", "isReading", "isRefused", "name", "set", "waiting")

    def __init__(self, name: str, deadline: float, isAnnounced: bool) -> None:
        self.name = name
        self.isAnnounced = isAnnounced
        self.set = MemberSet()
        self.waiting: Deferred[None] | None = Deferred()
        self.deadline = deadline
        self.isReading = False
        self.isRefused = False


class AttachedSets:
    """
    The sets of members of attached topics, as L{aerostack.interfaces.roster.IMembers}.
    """

    def __init__(self) -> None:
        self._topics: dict[str, Attached] = {}

    def roster(self, topic: str) -> Roster[Member] | None:
        """See L{aerostack.interfaces.roster.IMembers.roster}."""
        attached = self._topics.get(topic)
        return attached.set.roster if attached is not None and attached.set.roster else None

    def members(self, topic: str) -> Iterable[Member]:
        """See L{aerostack.interfaces.roster.IMembers.members}."""
        return self.roster(topic) or ()

    def topics(self) -> Collection[str]:
        """The attached topics that have a member."""
        return [name for name, attached in self._topics.items() if attached.set.roster]

    def count(self, topic: str) -> int:
        """See L{aerostack.interfaces.roster.IMembers.count}."""
        return len(self.roster(topic) or ())
