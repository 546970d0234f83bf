"""
Who is present on which topics, over all nodes that share a server.

The server decides, in one step for each act.  The node keeps what its own connections hold:
whenever the server may not know all of it, because the line was cut, the node was believed dead or
the server has lost data, the node compares the two and makes the server's data agree.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, fail, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.presence import RETRY_AFTER, ROOM, Member, Room, Tracked
from aerostack.core.topics.topics import projectOf
from aerostack.engine.valkey.agreement import Agreement
from aerostack.engine.valkey.errors import ValkeyError, firstError
from aerostack.engine.valkey.holds import Hold, Holds
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.lease import DATA_LOST, OK, Lease
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.memberchanges import (
    SetChange,
    encodeMember,
    ownerOf,
    readVersion,
)
from aerostack.engine.valkey.membersets import MemberSets, Tell
from aerostack.engine.valkey.refusals import LOST, errorOf, unavailable
from aerostack.engine.valkey.resp import Argument
from aerostack.engine.valkey.rosterscripts import (
    LEAVE,
    LOSE,
    PIECE,
    REMOVE,
    TRACK,
)
from aerostack.errors import RealtimeError
from aerostack.interfaces.roster import IRoster

LEASE_SECONDS = 10.0
"""How long a node's lease lasts, in seconds."""

COMPARE = 5.0
"""Every how many seconds the versions of all sets are compared with the server's."""

MOST_REMOVALS = 10_000
"""How many users can wait for their removal while the server is away.  The lost connections of
others leave when their grace is over."""


@implementer(IRoster)
class ValkeyRoster:
    """
    Decides who is present, for all connections of a node, with the other nodes on the server.

    The link tells it of its connections, as L{aerostack.engine.valkey.link.LinkUser}.  The link has
    to have the scripts of L{aerostack.engine.valkey.rosterscripts} and
    L{aerostack.engine.valkey.leasescripts}.

    @ivar rosters: The members of each attached topic.
    @ivar interval: Every how many seconds the lease is renewed.
    """

    interval = 1.0

    _logger = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        run: str,
        grace: float,
        room: Room = ROOM,
        lease: float = LEASE_SECONDS,
        patience: float = 3.0,
        keys: Keys | None = None,
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param run: The name of this run of this node, different from all others: letters and
            digits.
        @param grace: For how many seconds a lost connection's members stay.
        @param lease: How many seconds the lease lasts.
        @param patience: For how many seconds an attach may wait for the server.
        """
        self._clock = clock
        self._now = now
        self._run = run
        self._grace = grace
        self._room = room
        self._leaseSeconds = lease
        self._patience = patience
        self._keys = keys or Keys()
        self._holds = Holds()
        # When connections were lost that the server may not know to be lost, seconds of the clock.
        self._lost: dict[str, float] = {}
        # The users that are still to be removed.
        self._removals: dict[tuple[str, str], None] = {}
        self._connectedAt = 0.0
        self._frozenUntil = 0.0
        self._comparedAt = 0.0
        # Whether the server may not know all that connections here hold.
        self._isDoubtful = False
        self._isTicking = False
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = clock

    def begin(self, link: Link) -> None:
        """
        Use a link that is not started yet.  It comes after the roster, because it tells the roster
        of its connections.
        """
        self._link = link
        self._agreement = Agreement(
            self._clock, link, self._keys, self._run, self._grace, self._holds
        )
        self._lease = Lease(link, self._keys, self._run, self._leaseSeconds, self._grace)

    def join(self, check: Callable[[str], None], tell: Tell) -> None:
        """
        Take the callables that reach subscribers.

        @param check: Raises L{RealtimeError} if a topic's subscribers cannot be sent more.
        @param tell: Tells the subscribers of an attached topic.
        """
        self._check = check
        self.rosters = MemberSets(
            self._clock, self._link, self._keys, tell, self._suspect, self._patience
        )

    def start(self) -> None:
        """
        Begin to renew the lease whenever there is a connection.
        """
        self._ticks.start(self.interval, now=False).addErrback(self._failed)

    def stop(self) -> None:
        """
        End.  Other nodes take this node's connections for lost when its lease is over.
        """
        if self._ticks.running:
            self._ticks.stop()
        self.rosters.stop()

    def attach(self, topic: str, isLate: bool = False) -> Deferred[None]:
        """
        See L{MemberSets.attach}.
        """
        return self.rosters.attach(topic, isLate)

    def detach(self, topic: str) -> None:
        """
        See L{MemberSets.detach}.
        """
        self.rosters.detach(topic)

    # aerostack.interfaces.roster.IRoster

    def track(
        self,
        topic: str,
        connectionId: str,
        userId: str | None,
        state: bytes,
        client: str | None = None,
        most: int | None = None,
    ) -> Deferred[Tracked]:
        try:
            self._check(topic)
            if not self._link.isUp:
                raise unavailable("The engine does not answer.")
            hold = self._holds.ask(topic, connectionId, userId, client, state, most)
        except RealtimeError as error:
            return fail(error)
        project, known = projectOf(topic), hold.member
        asked = self._link.run(
            TRACK,
            [self._keys.presence, self._keys.membersOf(topic)],
            [
                self._run.encode(),
                connectionId.encode(),
                project.encode(),
                ownerOf(project, userId, client),
                self._now() if known is None else known.since,
                len(state),
                self._room.project,
                self._room.daemon,
                encodeMember(userId, client, state),
                (connectionId if known is None else known.connectionId).encode(),
            ],
        )
        return asked.addCallbacks(
            self._tracked,
            self._untracked,
            (topic, connectionId, hold, state),
            errbackArgs=(topic, connectionId, hold),
        )

    def _tracked(
        self, answer: list[bytes], topic: str, connectionId: str, hold: Hold, state: bytes
    ) -> Tracked:
        """Take the server's answer."""
        if answer[0] == b"full":
            self._holds.refused(topic, connectionId, hold)
            raise RealtimeError(
                "overloaded", "More members are present than there is room for.", RETRY_AFTER
            )
        did, version, name, since = answer
        member = Member(name.decode(), hold.userId, state, int(since), hold.client)
        fresh = self._holds.granted(hold, member)
        if did == b"same":
            self.rosters.have(topic, member)
        else:
            change = SetChange(readVersion(version), member.connectionId, member)
            self.rosters.changed(topic, change)
        return Tracked(member, joined=did == b"joined", updated=did == b"updated", fresh=fresh)

    def _untracked(self, failure: Failure, topic: str, connectionId: str, hold: Hold) -> Failure:
        """Take note that the server has not answered, or has refused."""
        self._holds.refused(topic, connectionId, hold)
        failure.trap(ValkeyError)
        self._isDoubtful = True
        return Failure(errorOf(failure.value))

    def untrack(self, topic: str, connectionId: str) -> None:
        self._leave(connectionId, self._holds.end(topic, connectionId))

    def leave(self, connectionId: str) -> None:
        self._leave(connectionId, self._holds.endAll(connectionId))

    def _leave(self, connectionId: str, holds: Mapping[str, Hold]) -> None:
        for topics, keys in self._pieces(tuple(holds)):
            members = [holds[topic].member for topic in topics]
            names = [connectionId if each is None else each.connectionId for each in members]
            arguments = [self._run, connectionId, *names]
            self._do(self._link.run(LEAVE, keys, [each.encode() for each in arguments]))

    def lose(self, connectionId: str) -> None:
        topics = tuple(self._holds.endAll(connectionId))
        if not topics:
            return
        self._lost[connectionId] = self._clock.seconds()
        arguments: list[Argument] = [connectionId.encode(), round(self._grace * 1000)]
        noted = [self._link.run(LOSE, keys, arguments) for _, keys in self._pieces(topics)]

        def done(_: object) -> None:
            self._lost.pop(connectionId, None)

        self._do(gatherResults(noted, consumeErrors=True).addCallbacks(done, firstError))

    def remove(self, project: str, userId: str) -> None:
        self._removals.pop((project, userId), None)
        self._removals[project, userId] = None
        if len(self._removals) > MOST_REMOVALS:
            del self._removals[next(iter(self._removals))]
        self._start(self._remove(project, userId))

    def topicsOf(self, connectionId: str) -> tuple[str, ...]:
        return self._holds.topicsOf(connectionId)

    async def _remove(self, project: str, userId: str) -> None:
        """End the presence of a user's lost connections, piece by piece."""
        arguments = [self._run.encode(), ownerOf(project, userId, None)]
        while await self._link.run(REMOVE, [self._keys.presence], arguments):
            pass
        self._removals.pop((project, userId), None)

    def _pieces(self, topics: Sequence[str]) -> Iterator[tuple[Sequence[str], list[bytes]]]:
        """Some topics and their keys, for one step each."""
        for start in range(0, len(topics), PIECE):
            some = topics[start : start + PIECE]
            yield some, [self._keys.presence, *map(self._keys.membersOf, some)]

    # aerostack.engine.valkey.link.LinkUser

    def up(self, generation: int) -> None:
        """
        Take up a new connection.
        """
        self._connectedAt = self._comparedAt = self._clock.seconds()
        self._isDoubtful = True
        self._start(self._takeUp(generation))

    async def _takeUp(self, generation: int) -> None:
        """
        Learn whether the server's data are those that the node knows, and have the server know
        what connections here hold, before the sets are read: so no subscriber sees a member leave
        that the node is about to restore.
        """
        await self._renew()
        try:
            await self._agree(generation)
        finally:
            if generation == self._link.generation and self._link.isUp:
                self.rosters.up()

    def down(self, reason: str) -> None:
        """
        Take note that there is no connection.
        """
        self.rosters.down()

    def pushed(self, push: list[Any]) -> None:
        """
        Take what the server pushes.
        """
        if push[0] == b"message":
            self.rosters.pushed(push[1], push[2])

    # What is repeated

    def _tick(self) -> None:
        self.rosters.look()
        now = self._clock.seconds()
        if self.rosters.isFrozen and now >= self._frozenUntil and self._link.isUp:
            self.rosters.isFrozen = False
            self.rosters.readAll()
        if self._link.isUp and not self._isTicking:
            self._isTicking = True
            self._start(self._look(self._link.generation)).addBoth(self._ticked)

    def _ticked(self, result: object) -> None:
        self._isTicking = False

    async def _look(self, generation: int) -> None:
        """Renew the lease, and do what the server or the time asks for."""
        await self._renew()
        if generation == self._link.generation and self._isDoubtful:
            await self._agree(generation)
        now = self._clock.seconds()
        if now - self._comparedAt >= COMPARE:
            self._comparedAt = now
            await self.rosters.compare()

    async def _renew(self) -> None:
        generation, now = self._link.generation, self._clock.seconds()
        connected = now - self._connectedAt
        mayReap = connected >= self._leaseSeconds and not self.rosters.isFrozen
        renewal = await self._lease.renew(connected, mayReap)
        if renewal.state != OK:
            self._isDoubtful = True
        if renewal.state == DATA_LOST:
            self._logger.warn("The engine has lost data: presence is restored.")
            self._freeze()
            self.rosters.readAll()
        if renewal.isReaper and generation == self._link.generation:
            await self._lease.reap(renewal.dead, generation)

    def _suspect(self) -> None:
        """The server seems to have lost data: let all nodes know."""
        if not self.rosters.isFrozen:
            self._lease.distrust()
            self._freeze()
            self._isDoubtful = True

    def _freeze(self) -> None:
        """Let members stay for now that the server does not have any more."""
        self.rosters.isFrozen = True
        self._frozenUntil = self._clock.seconds() + self._leaseSeconds + self._grace

    async def _agree(self, generation: int) -> None:
        """Make the server's data agree with what connections here hold."""
        self._isDoubtful = False
        lost = dict(self._lost)
        await self._agreement.end(generation, lost)
        await self._agreement.restore(generation)
        for project, userId in tuple(self._removals):
            await self._remove(project, userId)
        for connectionId, since in lost.items():
            if self._lost.get(connectionId) == since:
                del self._lost[connectionId]

    # Helpers

    def _start(self, doing: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Begin something that is made up for when the server has not done it."""
        return self._do(ensureDeferred(doing))

    def _do(self, doing: Deferred[Any]) -> Deferred[None]:
        """Have made up for what the server has not done."""

        def failed(failure: Failure) -> None:
            failure.trap(ValkeyError)
            self._isDoubtful = True
            if not failure.check(*LOST):
                self._logger.warn("Presence waits: {error}", error=str(failure.value))

        return doing.addErrback(failed).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        self._logger.failure("Presence on the engine failed", failure)
