"""
How the hub knows publications that come again, and what it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.core.replay.idempotency import IdempotencyCache, fingerprint
from aerostack.core.replay.publications import CHAT_MESSAGE, Kept, Message, Receipt
from aerostack.core.topics.topics import projectOf
from aerostack.protocol.codec import encodeValue

T = TypeVar("T", bound=Receipt | Failure | None)

CHAT_EVENT = "message"
"""The event of a chat message."""


class ChatText(msgspec.Struct):
    """A chat message without the id that the daemon gave it."""

    text: str
    metadata: dict[str, Raw] | None


def makeRepeatKey(userId: str | None, publishId: str) -> Hashable:
    """
    The key by which the hub knows a publication that comes again, over any connection.

    @param publishId: The C{id} of the publication, as JSON.  If the user has no name, a text that
        stands for the client's session secret comes before it.
    """
    return ("user", userId, publishId)


def keyOf(message: Message) -> Hashable:
    """
    The key by which the hub knows a message that was kept, if it is published again; L{None} if it
    cannot be.
    """
    if message.publishId is None:
        return None
    data = message.data
    if message.kind == CHAT_MESSAGE:
        try:
            data = encodeValue(msgspec.json.decode(data, type=ChatText))
        except msgspec.ValidationError:
            # The daemon keeps no such message; another program wrote it.
            return None
    repeatKey = makeRepeatKey(message.userId, message.publishId)
    return message.topic, repeatKey, fingerprint(message.event, data, message.key), True


def endKey(topic: str, stream: str, began: int) -> Hashable:
    """
    The key of the end of a token stream: whichever node publishes it, subscribers get it once.

    @param topic: The canonical topic.
    @param began: When the stream began, milliseconds since the epoch.
    """
    return topic, ("stream", stream, str(began)), b"", False


def ownerOf(key: Any) -> str:
    """
    The project of a publication, by the publication's key in the L{IdempotencyCache}: a tuple that
    begins with the canonical topic.
    """
    topic: str = key[0]
    return projectOf(topic)


class Outcome:
    """
    The result of a publication, for every client that sends the publication again.
    """

    __slots__ = ("_result", "_waiting")

    def __init__(self) -> None:
        self._result: Receipt | Failure | None = None
        # L{None} once the result is known.
        self._waiting: list[Deferred[Receipt | None]] | None = []

    def settle(self, result: T) -> T:
        """
        Set the result, and give it to every caller of L{wait}.

        @return: The result.
        """
        waiting, self._waiting = self._waiting, None
        self._result = result
        for each in waiting or ():
            each.callback(result)
        return result

    def wait(self) -> Deferred[Receipt | None]:
        """
        @return: Fires with the receipt when the result is known; L{None} if the publication was not
            kept.  Fails if the publication failed.
        """
        waiting: Deferred[Receipt | None] = Deferred()
        if self._waiting is None:
            waiting.callback(self._result)
        else:
            self._waiting.append(waiting)
        return waiting


PLACED = Outcome()
"""The one outcome of all publications that had their places at once, and were not kept.  It is in
place of one for each of them, which would take more time and memory."""

PLACED.settle(None)


class Outcomes:
    """
    Notes the outcomes of publications, for publishers who publish the same again.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        idempotency: IdempotencyCache[Outcome],
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param idempotency: Has the outcomes by their keys.
        """
        self._clock = clock
        self._now = now
        self._idempotency = idempotency

    def restore(self, kept: Kept) -> None:
        """
        Note a message that an earlier run of the daemon kept, so that its publisher can repeat it.
        """
        key = keyOf(kept.message)
        if key is None:
            return
        age = max(0, self._now() - kept.createdAt) / 1000
        first = Outcome()
        first.settle(kept.receipt)
        self._idempotency.note(key, first, self._clock.seconds() - age)

    def remember(
        self, key: Hashable, entered: Deferred[Receipt | None] | None
    ) -> Deferred[Receipt | None] | None:
        """
        Note a publication that its publisher may send again.

        @param entered: Its outcome; L{None} if the publication has its place, and is not kept.
        @return: The outcome.
        """
        now = self._clock.seconds()
        if entered is None:
            self._idempotency.note(key, PLACED, now)
            return None
        first = Outcome()
        self._idempotency.note(key, first, now)
        return entered.addCallbacks(first.settle, self._failed, errbackArgs=(key, first))

    def _failed(self, failure: Failure, key: Hashable, first: Outcome) -> Failure:
        if self._idempotency.find(key, self._clock.seconds()) is first:
            # It is new when it comes again.
            self._idempotency.forget(key)
        return first.settle(failure)
