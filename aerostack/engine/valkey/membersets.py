"""
The sets of members of the topics that a node has attached, kept by what the server pushes and
repaired by versions.

The server sends answers and pushes in the order of its doing.  So a page of a set that was just
read is as new as the pushes before it, and each can be applied as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from aerostack.core.presence import Member
from aerostack.engine.valkey.entries import MalformedEntry
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.memberchanges import SetChange, readChange, readMember, readVersion
from aerostack.engine.valkey.memberset import Attached, AttachedSets, Notice
from aerostack.engine.valkey.refusals import LOST, errorOf, unavailable
from aerostack.engine.valkey.rosterscripts import PAGE, PIECE, VERSIONS
from aerostack.engine.valkey.subscribing import subscribe
from aerostack.engine.valkey.topics import groups, pieces

TOGETHER = 50
"""How many sets are read at the same time at the most."""

Tell = Callable[[str, str, Member], None]
"""Tells a topic's subscribers of an event, such as C{presence:join}, of a member."""


class MemberSets(AttachedSets):
    """
    Keeps the sets of members of attached topics as the server has them.

    @ivar isFrozen: Whether the sets stay as they are but for what is pushed, because other nodes
        may be about to restore what the server does not have.
    """

    _logger = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        link: Link,
        keys: Keys,
        tell: Tell,
        suspect: Callable[[], None],
        patience: float,
    ) -> None:
        """
        @param suspect: Is called when the server seems to have lost data.
        @param patience: For how many seconds an attach may wait.
        """
        super().__init__()
        self.isFrozen = False
        self._clock = clock
        self._link = link
        self._keys = keys
        self._tell = tell
        self._suspect = suspect
        self._patience = patience
        self._joining: dict[str, Attached] = {}
        self._isJoining = False
        self._leaving: set[str] = set()
        self._turning: IDelayedCall | None = None
        self._generation = 0
        self._isUp = False

    # Attaching

    def attach(self, topic: str, isLate: bool = False) -> Deferred[None]:
        """
        Have a topic's set.  The topic is not attached now.

        @param isLate: Whether the topic may have subscribers before its set is there.
        @return: Fires when the set is there.  Fails with L{RealtimeError}; then the topic is not
            attached.  Fails with L{CancelledError} when the topic is detached.
        """
        if topic in self._topics:
            raise ValueError(f"{topic} is attached already")
        attached = Attached(topic, self._clock.seconds() + self._patience, isLate)
        waiting = attached.waiting
        assert waiting is not None
        self._topics[topic] = self._joining[topic] = attached
        self._leaving.discard(topic)
        self._soon()
        return waiting

    def detach(self, topic: str) -> None:
        """
        Have a topic's set no longer.
        """
        attached = self._topics.pop(topic, None)
        if attached is None:
            return
        self._joining.pop(topic, None)
        self._leaving.add(topic)
        self._soon()
        waiting, attached.waiting = attached.waiting, None
        if waiting is not None:
            waiting.errback(CancelledError())

    def look(self) -> None:
        """
        Let topics go that have waited for too long.
        """
        now = self._clock.seconds()
        late = [
            each
            for each in self._topics.values()
            if each.waiting is not None and each.deadline <= now
        ]
        for attached in late:
            self._drop(attached, unavailable("The engine does not answer."))

    def stop(self) -> None:
        """
        Have no sets.
        """
        self.down()
        for topic in tuple(self._topics):
            self.detach(topic)
        if self._turning is not None:
            self._turning.cancel()
            self._turning = None

    def _drop(self, attached: Attached, error: Exception) -> None:
        if self._topics.get(attached.name) is attached:
            waiting, attached.waiting = attached.waiting, None
            for member in tuple(attached.set.roster):
                # Subscribers that have seen it would not see it leave later.
                self._say(attached, attached.set.drop(member.connectionId))
            self.detach(attached.name)
            if waiting is not None:
                waiting.errback(error)

    # The link

    def up(self) -> Deferred[None]:
        """
        Read every set over a new connection, and tell what is different.

        @return: Fires when all are read, or the connection is lost.
        """
        self._generation += 1
        self._isUp = True
        self._joining.clear()
        self._isJoining = False
        self._leaving.clear()
        return self._start(self._takeUp())

    async def _takeUp(self) -> None:
        await self._readEach(await self._join(tuple(self._topics)))

    def down(self) -> None:
        """
        Take no changes until the sets are read again.
        """
        self._generation += 1
        self._isUp = False
        for attached in self._topics.values():
            attached.set.isLive = attached.isReading = False
            attached.set.seen = None

    def pushed(self, channel: bytes, message: bytes) -> None:
        """
        Take what the server pushes.
        """
        topic = self._keys.topicOfMemberChannel(channel)
        if topic is None or topic not in self._topics:
            return
        try:
            change = readChange(message)
        except MalformedEntry as error:
            self._logger.warn("Another program publishes on our channels: {error}", error=error)
            return
        self.changed(topic, change)

    def changed(self, topic: str, change: SetChange) -> None:
        """
        Take the next change of a topic's set.
        """
        attached = self._topics.get(topic)
        if attached is None or attached.set.isOld(change.version):
            return
        mine = attached.set
        if mine.isLive and mine.disagrees(change.version):
            self._suspect()
        follows = mine.advance(change.version)
        if attached.waiting is None or mine.roster.get(change.name) is not None:
            self._say(attached, mine.apply(change))
        # A set that is read for the first time gets new members in their order, with the pages.
        if not follows and self._isUp:
            mine.isLive = False
            self._start(self._readOne(attached))

    def have(self, topic: str, member: Member) -> None:
        """
        Take a member as the server has it now, without a change.
        """
        attached = self._topics.get(topic)
        if attached is not None:
            self._say(attached, attached.set.put(member))

    def readAll(self) -> Deferred[None]:
        """Read every set again, and tell what is different."""
        if not self._isUp:
            # The next connection reads all.
            return succeed(None)
        there = [each for each in self._topics.values() if each.waiting is None]
        return self._start(self._readEach(there))

    async def compare(self) -> None:
        """
        Compare the versions of all sets with the server's.  Errors of the server pass.
        """
        generation = self._generation
        for names in pieces(tuple(self._topics)):
            keys = [self._keys.membersOf(name) for name in names]
            try:
                versions = await self._link.run(VERSIONS, keys, [])
            except ValkeyError as error:
                self._logger.warn("Presence could not be compared: {error}", error=str(error))
                return
            if generation != self._generation:
                return
            for name, text in zip(names, versions, strict=True):
                attached = self._topics.get(name)
                if attached is None or attached.waiting is not None:
                    # Its channel may not be subscribed to.
                    continue
                if attached.isRefused:
                    self._joining[name] = attached
                    self._soon()
                elif not attached.set.isLive or attached.set.version != readVersion(text):
                    self._start(self._readOne(attached))

    # What one turn asked for

    def _soon(self) -> None:
        if self._turning is None:
            self._turning = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._turning = None
        leaving, self._leaving = self._leaving.difference(self._topics), set()
        if not self._isUp:
            # The next connection attaches all.
            self._joining.clear()
            return
        for names in groups(tuple(leaving)):
            channels = [self._keys.memberChannelOf(name) for name in names]
            self._link.unsubscribe(channels).addErrback(lambda failure: failure.trap(ValkeyError))
        if self._joining and not self._isJoining:
            joining, self._joining = self._joining, {}
            self._isJoining = True
            self._start(self._joinSome(tuple(joining)))

    async def _joinSome(self, names: Sequence[str]) -> None:
        """Join topics, and then those together that have come meanwhile."""
        generation = self._generation
        try:
            joined = await self._join(names)
        finally:
            if generation == self._generation:
                self._isJoining = False
                if self._joining:
                    self._soon()
        if generation == self._generation:
            await self._readEach(joined)

    async def _join(self, names: Sequence[str]) -> list[Attached]:
        """
        Subscribe to channels, and take up the sets that are empty.

        @return: The other sets.
        """
        generation = self._generation
        subscribed = await subscribe(self._link, names, self._keys.memberChannelOf, self._refused)
        if generation != self._generation:
            return []
        for name in subscribed:
            if name in self._topics:
                self._topics[name].isRefused = False
        checking = [ensureDeferred(self._findMembers(piece)) for piece in pieces(subscribed)]
        return [each for some in await gatherResults(checking, consumeErrors=True) for each in some]

    async def _findMembers(self, names: Sequence[str]) -> list[Attached]:
        """
        Take up the sets that are empty on the server and here.  Most topics have no members, and
        many sets are asked for with one command.

        @return: The other sets.
        """
        generation = self._generation
        keys = [self._keys.membersOf(name) for name in names]
        try:
            versions: list[bytes] = await self._link.run(VERSIONS, keys, [])
        except LOST:
            return []
        except ValkeyError:
            # To read the sets has the same fault, and says so.
            versions = [b"?"] * len(names)
        others: list[Attached] = []
        for name, text in zip(names, versions, strict=True):
            attached = self._topics.get(name)
            if attached is None or generation != self._generation:
                continue
            mine = attached.set
            if text or mine.roster or attached.isReading:
                others.append(attached)
            else:
                mine.version, mine.isLive = readVersion(text), True
                self._there(attached)
        return others

    def _refused(self, name: str, error: ValkeyError) -> None:
        self._logger.warn("Presence cannot be followed: {error}", error=str(error))
        attached = self._topics.get(name)
        if attached is None:
            return
        if attached.waiting is not None:
            self._drop(attached, errorOf(error))
        else:
            attached.isRefused = True

    # Reading

    async def _readEach(self, sets: Sequence[Attached]) -> None:
        waiting = iter(sets)
        generation = self._generation
        while generation == self._generation and (some := list(islice(waiting, TOGETHER))):
            await gatherResults([self._start(self._readOne(each)) for each in some])

    async def _readOne(self, attached: Attached) -> None:
        """Read a set, page by page, until a version was read as a whole."""
        if attached.isReading:
            # The read that goes on starts again where it sees that a change is missing.
            return
        generation = self._generation
        attached.isReading = True
        try:
            while generation == self._generation and not await self._readPages(attached):
                pass
        except LOST:
            return
        except (ValkeyError, MalformedEntry) as error:
            self._logger.warn("A set of members cannot be read: {error}", error=str(error))
            if attached.waiting is not None:
                self._drop(attached, errorOf(error))
        finally:
            if generation == self._generation:
                attached.isReading = False
                attached.set.seen = None

    async def _readPages(self, attached: Attached) -> bool:
        """
        Read a set once.

        @return: Whether it was read as a whole.
        """
        generation, mine = self._generation, attached.set
        key, after, isFirst, more = self._keys.membersOf(attached.name), 0, True, True
        isFrozen = False
        mine.isLive = False
        mine.seen = set()
        if not mine.roster:
            # Members may come while the set is read: that they are there says nothing.
            mine.version = None
        while more:
            text, flag, *found = await self._link.run(PAGE, [key], [after, PIECE])
            if generation != self._generation or self._topics.get(attached.name) is not attached:
                return True
            version, more = readVersion(text), flag == b"1"
            if isFirst:
                if mine.disagrees(version):
                    self._suspect()
                mine.version, mine.isLive, isFirst = version, True, False
            elif version != mine.version or not mine.isLive:
                return False
            isFrozen |= self.isFrozen and attached.waiting is None
            for name, stored in zip(found[::2], found[1::2], strict=True):
                after, member = readMember(name, stored)
                if not isFrozen:
                    self._say(attached, mine.put(member))
        if isFrozen and not self.isFrozen:
            return False
        if not isFrozen:
            for name in mine.unseen():
                self._say(attached, mine.drop(name))
        mine.seen = None
        self._there(attached)
        return True

    def _there(self, attached: Attached) -> None:
        """Note that a set is there."""
        attached.isAnnounced = True
        waiting, attached.waiting = attached.waiting, None
        if waiting is not None:
            waiting.callback(None)

    # Helpers

    def _say(self, attached: Attached, notice: Notice | None) -> None:
        if notice is not None and attached.isAnnounced:
            self._tell(attached.name, *notice)

    def _start(self, doing: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Begin something whose mistakes go into the log."""
        return ensureDeferred(doing).addErrback(
            lambda failure: self._logger.failure("Following members failed", failure)
        )
