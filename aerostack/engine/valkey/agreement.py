"""
Makes the server's data agree with what the connections of a node hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from twisted.internet.defer import gatherResults
from twisted.internet.interfaces import IReactorTime

from aerostack.core.topics.topics import projectOf
from aerostack.engine.valkey.errors import NotConnected, firstError
from aerostack.engine.valkey.holds import Held, Holds
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.memberchanges import encodeMember, ownerOf
from aerostack.engine.valkey.rosterscripts import DROP, PIECE, RESTORE


class Agreement:
    """
    Makes the server's data agree with what the connections of a node hold, L{PIECE} members in one
    step.
    """

    def __init__(
        self, clock: IReactorTime, link: Link, keys: Keys, run: str, grace: float, holds: Holds
    ) -> None:
        """
        @param grace: For how many seconds a lost connection's members stay.
        @param holds: What the connections hold.
        """
        self._clock = clock
        self._link = link
        self._keys = keys
        self._run = run
        self._grace = grace
        self._holds = holds

    async def end(self, generation: int, lost: Mapping[str, float]) -> None:
        """
        End what the server has and no connection holds.

        @param generation: The number of the connection to the server.
        @param lost: When connections were lost, seconds of the clock.  The members of others leave
            now.
        @raise ValkeyError: The server has not done all.
        """
        after = b"-"
        while True:
            self._check(generation)
            found: list[bytes] = await self._link.command(
                b"ZRANGEBYLEX", self._keys.heldBy(self._run), after, b"+", b"LIMIT", 0, PIECE
            )
            # By how long they stay, the keys and the connections.
            ending: dict[int, list[tuple[bytes, bytes]]] = {}
            for entry in found:
                connection, _, rest = entry.partition(b" ")
                key = rest.partition(b" ")[2]
                topic, connectionId = self._keys.topicOfMembers(key), connection.decode()
                if topic is not None and not self._holds.has(topic, connectionId):
                    stay = self._stay(lost.get(connectionId))
                    ending.setdefault(stay, []).append((key, connection))
            doing = [
                self._link.run(
                    DROP,
                    [self._keys.presence, *(key for key, _ in each)],
                    [self._run.encode(), stay, *(connection for _, connection in each)],
                )
                for stay, each in ending.items()
            ]
            await gatherResults(doing, consumeErrors=True).addErrback(firstError)
            if len(found) < PIECE:
                return
            after = b"(" + found[-1]

    def _stay(self, lostAt: float | None) -> int:
        """For how many milliseconds the members of a connection stay; 0 if they leave now."""
        if lostAt is None:
            return 0
        return max(1, round((lostAt + self._grace - self._clock.seconds()) * 1000))

    async def restore(self, generation: int) -> None:
        """
        Have the server know what connections hold.

        @param generation: The number of the connection to the server.
        @raise ValkeyError: The server has not done all.
        """
        held = tuple(self._holds.present())
        for start in range(0, len(held), PIECE):
            self._check(generation)
            # What a connection asks for meanwhile is at the server already.
            some = [
                each
                for each in held[start : start + PIECE]
                if self._holds.isHeld(each) and not each.hold.asking
            ]
            if some:
                await self._restoreSome(some)

    async def _restoreSome(self, some: list[Held]) -> None:
        keys = [self._keys.presence, *(self._keys.membersOf(held.topic) for held in some)]
        arguments = [self._run.encode()]
        for held in some:
            arguments += _arguments(held)
        answers = await self._link.run(RESTORE, keys, arguments)
        for held, answer in zip(some, answers, strict=True):
            name, _, since = answer.partition(b" ")
            mine = held.hold.member
            if mine is not None:
                held.hold.member = replace(mine, connectionId=name.decode(), since=int(since))

    def _check(self, generation: int) -> None:
        if generation != self._link.generation:
            raise NotConnected("The connection is another one.")


def _arguments(held: Held) -> list[bytes]:
    """The arguments with which what a connection holds is restored."""
    member, project = held.hold.member or held.member, projectOf(held.topic)
    return [
        held.connectionId.encode(),
        member.connectionId.encode(),
        project.encode(),
        ownerOf(project, member.userId, member.client),
        b"%d" % member.since,
        b"%d" % len(member.state),
        encodeMember(member.userId, member.client, member.state),
    ]
