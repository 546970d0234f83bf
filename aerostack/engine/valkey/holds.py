"""
What the connections of a node hold: the members that they are, as far as the server has said so,
and what they have asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aerostack.core.presence import Member
from aerostack.errors import RealtimeError


class Hold:
    """
    One connection's presence on one topic.

    @ivar userId: See L{Member}.
    @ivar client: See L{Member}.
    @ivar asking: How many requests have no answer yet.
    @ivar member: The member as the server has it; L{None} before the first answer.
    @ivar size: The bytes of the state that was asked for last.
    """

    __slots__ = ("asking", "client", "member", "size", "userId")

    def __init__(self, userId: str | None, client: str | None) -> None:
        self.userId = userId
        self.client = client
        self.asking = 0
        self.member: Member | None = None
        self.size = 0


class Held(NamedTuple):
    """
    What a connection holds, and where.
    """

    topic: str
    connectionId: str
    hold: Hold
    member: Member


class Holds:
    """
    What the connections of a node hold.
    """

    def __init__(self) -> None:
        self._holds: dict[str, dict[str, Hold]] = {}

    def ask(
        self,
        topic: str,
        connectionId: str,
        userId: str | None,
        client: str | None,
        state: bytes,
        most: int | None,
    ) -> Hold:
        """
        Note that a connection asks to be present, or to change its state.

        @param most: How many bytes the states of one connection may have; L{None} for no bound.
        @raise RealtimeError: C{too_large}; then nothing was noted.
        """
        holds = self._holds.get(connectionId, {})
        hold = holds.get(topic)
        before = 0 if hold is None else hold.size
        size = sum(each.size for each in holds.values()) - before + len(state)
        if most is not None and size > most:
            raise RealtimeError(
                "too_large",
                f"The states of a connection have at most {most} bytes together; untrack some"
                " topics, or say less.",
            )
        if hold is None:
            hold = Hold(userId, client)
            self._holds.setdefault(connectionId, holds)[topic] = hold
        hold.asking += 1
        hold.size = len(state)
        return hold

    def granted(self, hold: Hold, member: Member) -> bool:
        """
        Note that the server has done what was asked for.

        @return: Whether it is the first time.
        """
        hold.asking -= 1
        fresh = hold.member is None
        hold.member = member
        return fresh

    def refused(self, topic: str, connectionId: str, hold: Hold) -> None:
        """
        Note that the server has not done what was asked for.
        """
        hold.asking -= 1
        if hold.asking:
            return
        if hold.member is not None:
            hold.size = len(hold.member.state)
        elif self._holds.get(connectionId, {}).get(topic) is hold:
            self.end(topic, connectionId)

    def end(self, topic: str, connectionId: str) -> dict[str, Hold]:
        """
        Note that a connection is not present on a topic any more.

        @return: What it held or had asked for, by topic: one or nothing.
        """
        holds = self._holds.get(connectionId, {})
        hold = holds.pop(topic, None)
        if hold is None:
            return {}
        if not holds:
            del self._holds[connectionId]
        return {topic: hold}

    def endAll(self, connectionId: str) -> dict[str, Hold]:
        """
        Note that a connection is present nowhere any more.

        @return: What it held or had asked for, by topic.
        """
        return self._holds.pop(connectionId, {})

    def has(self, topic: str, connectionId: str) -> bool:
        """
        Whether a connection is present on a topic, or has asked to be.
        """
        return topic in self._holds.get(connectionId, ())

    def topicsOf(self, connectionId: str) -> tuple[str, ...]:
        """
        Where a connection is present, or has asked to be.
        """
        return tuple(self._holds.get(connectionId, ()))

    def present(self) -> Iterator[Held]:
        """
        What the server has said that connections hold, and what they have not asked to change.
        """
        for connectionId, holds in self._holds.items():
            for topic, hold in holds.items():
                if hold.member is not None and not hold.asking:
                    yield Held(topic, connectionId, hold, hold.member)

    def isHeld(self, held: Held) -> bool:
        """
        Whether a connection still holds what it did.
        """
        return self._holds.get(held.connectionId, {}).get(held.topic) is held.hold
