"""
A history in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from aerostack.core.replay.gaps import EXPIRED, UNKNOWN
from aerostack.core.replay.publications import Kept, Message
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IHistory
from aerostack.testing.answers import MemoryAnswers

T = TypeVar("T")


@implementer(IHistory)
class MemoryHistory:
    """
    A history in memory.

    @ivar messages: All kept messages, oldest first.
    @ivar held: While this is a list, new messages wait in it, and L{release} keeps them.
    @ivar reading: While this is a list, reads of older messages wait in it; the test calls them.
    @ivar forgotten: The history has forgotten messages up to this time, in milliseconds since the
        epoch.
    @ivar answers: The answers whose ends this history keeps.
    """

    def __init__(self) -> None:
        self.forgotten = 0
        self.answers = MemoryAnswers()
        self.messages: list[Kept] = []
        self.held: list[tuple[Message, Deferred[Kept]]] | None = None
        self.reading: list[Callable[[], None]] | None = None

    def append(self, message: Message) -> Deferred[Kept]:
        kept: Deferred[Kept] = Deferred()
        if self.held is not None:
            self.held.append((message, kept))
        else:
            self._keep(message, kept)
        return kept

    def release(self) -> None:
        """
        Keep the messages that wait.
        """
        held, self.held = self.held or [], None
        for message, kept in held:
            self._keep(message, kept)

    def refuse(self) -> None:
        """
        Lose the messages that wait, as if the database had failed.
        """
        held, self.held = self.held or [], None
        for _, kept in held:
            kept.errback(
                RealtimeError(
                    "database_unavailable", "The database could not keep the message.", 1000
                )
            )

    def _keep(self, message: Message, kept: Deferred[Kept]) -> None:
        isEnd = message.stream is not None
        if isEnd and self.answers.isForeign(message.run, message.id):
            kept.errback(RealtimeError("stream_fenced", "Another daemon has taken it over."))
            return
        newest = max(
            (k.createdAt for k in self.messages if k.message.topic == message.topic), default=0
        )
        self.messages = [
            each
            for each in self.messages
            if each.message.topic != message.topic or each.createdAt > (message.replaces or 0)
        ]
        self.messages.append(Kept(message, max(message.timestamp, newest + 1)))
        if isEnd:
            self.answers.end(message.id)
        kept.callback(self.messages[-1])

    def page(self, topic: str, limit: int, before: int | None) -> Deferred[list[Kept]]:
        found = [
            kept
            for kept in reversed(self.messages)
            if kept.message.topic == topic and (before is None or kept.createdAt < before)
        ]
        return succeed(found[:limit])

    def findEnd(self, project: str, stream: str) -> Deferred[Kept | None]:
        found = [
            kept
            for kept in self.messages
            if kept.message.stream is not None
            and (projectOf(kept.message.topic), kept.message.stream.stream) == (project, stream)
        ]
        return succeed(found[-1] if found else None)

    def newest(self, topics: Sequence[str]) -> Deferred[dict[str, int]]:
        found = dict.fromkeys(topics, 0)
        for kept in self.messages:
            if kept.message.topic in found:
                found[kept.message.topic] = max(found[kept.message.topic], kept.createdAt)
        return succeed(found)

    def surveyPast(
        self, topic: str, after: int, until: int, most: int, now: int, seen: bool = False
    ) -> Deferred[str | None]:
        known = any(
            kept.message.topic == topic and (not seen or kept.createdAt == after)
            for kept in self.messages
        )
        reason = EXPIRED.reason if after < self.forgotten else UNKNOWN.reason
        found = None if known and after >= self.forgotten else reason
        return answer(self.reading, found)

    def locatePast(self, topic: str, until: int, count: int) -> Deferred[int]:
        found = [
            kept.createdAt
            for kept in self.messages
            if kept.message.topic == topic and kept.createdAt <= until
        ]
        return answer(self.reading, found[-count:][0] - 1 if found else until)

    def readPast(
        self, topic: str, after: int, until: int, limit: int, size: int, partial: bool = False
    ) -> Deferred[list[Kept]]:
        reading = answer(self.reading, None)
        return reading.addCallback(lambda _: self._readPast(topic, after, until, limit, partial))

    def _readPast(
        self, topic: str, after: int, until: int, limit: int, partial: bool
    ) -> list[Kept]:
        if after < self.forgotten and not partial:
            raise RealtimeError("history_expired", "Subscribe again.", 1000)
        return [
            kept
            for kept in self.messages
            if kept.message.topic == topic and after < kept.createdAt <= until
        ][:limit]

    def forget(self, until: int) -> None:
        """
        Forget messages up to a time.
        """
        self.forgotten = max(self.forgotten, until)
        self.messages = [kept for kept in self.messages if kept.createdAt > until]

    def expire(self, now: int) -> Deferred[int]:
        return succeed(0)

    def probe(self) -> Deferred[None]:
        return succeed(None)


def answer(reading: list[Callable[[], None]] | None, answer: T) -> Deferred[T]:
    """Answer a read, at once or when the test calls it."""
    answered: Deferred[T] = Deferred()
    if reading is None:
        answered.callback(answer)
    else:
        reading.append(lambda: answered.callback(answer))
    return answered
