"""
Publications and the messages that the history keeps of them, as plain data.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from aerostack.core.keyed.values import Condition
from aerostack.errors import RealtimeError

EVENT = "event"
CHAT_MESSAGE = "chat_message"
PRESENCE = "presence"
"""A client gets it as an event, but it is state: it is no part of the topic's log."""


LASTS = -1
"""The C{replaces} of a message that does not expire, and replaces none."""

_LATEST = 2**53 - 1
"""The latest time that all clients can read exactly, ms since the epoch."""


def readReplaces(replaces: int | None) -> int | None:
    """
    Read up to which time a publication replaces the kept messages of its topic.

    @param replaces: The field C{replaces}, if there is one: any integer that JSON can have.
    @return: The time, ms since the epoch.
    @raise RealtimeError: C{invalid_arguments}.
    """
    if replaces is not None and not 0 <= replaces <= _LATEST:
        raise RealtimeError(
            "invalid_arguments", f"replaces is a time in ms, at least 0 and at most {_LATEST}."
        )
    return replaces


class StreamMark(Struct, frozen=True, array_like=True, gc=False):
    """
    The place of a publication in a streamed answer (see L{aerostack.core.answers}).

    @ivar stream: The answer's id.
    @ivar part: The part's id; empty for the answer's beginning and end.
    @ivar kind: The part's kind; empty for the answer's beginning and end.
    @ivar at: Where the text begins in the part, UTF-16 units; -1 if the publication has a value.
    @ivar text: The text.
    @ivar state: The state in which the answer has ended; empty before its end.
    @ivar edition: How often text of the part was taken back before.
    @ivar isReset: Whether text is taken back here: the part ends at C{at}, and the text follows.
    @ivar isFollowed: Whether more text of the topic is published right behind it.  Clients get one
        position for all of it, with the last.
    """

    stream: str
    part: str = ""
    kind: str = ""
    at: int = -1
    text: str = ""
    state: str = ""
    edition: int = 0
    isReset: bool = False
    isFollowed: bool = False


class EmittedMark(Struct, frozen=True, array_like=True, gc=False):
    """
    The row of an event that a transaction of the database emitted.

    @ivar number: The row's number.
    @ivar key: Distinguishes the event from all others.
    """

    number: int
    key: str


class Publication(Struct, frozen=True, gc=False):
    """
    What all subscribers of a topic are to get.

    @ivar topic: The canonical topic.
    @ivar kind: L{EVENT}, L{CHAT_MESSAGE} or L{PRESENCE}.
    @ivar event: The event's name.
    @ivar data: The event's data, as JSON; empty if it is made of the text of C{stream}.
    @ivar userId: The user who published it; L{None} for a server, or a user without a name.
    @ivar timestamp: When it was published, milliseconds since the epoch.
    @ivar mark: Its C{createdAt} in the history, L{None} if it is not kept.
    @ivar stream: Its place in a streamed answer; L{None} if it is no part of one.
    @ivar key: The key whose value it is, on a keyed topic; L{None} on another topic.
    @ivar condition: What has to be so when it enters a log that nodes share; L{None} for nothing.
        What follows the log does not have it.
    """

    topic: str
    kind: str
    event: str
    data: bytes
    userId: str | None
    timestamp: int
    mark: int | None = None
    stream: StreamMark | None = None
    key: str | None = None
    condition: Condition | None = None


class Message(Struct, frozen=True, gc=False):
    """
    A publication that the history is to keep.

    @ivar id: Its own id, unique in the history.
    @ivar topic: The canonical topic.
    @ivar kind: L{EVENT} or L{CHAT_MESSAGE}.
    @ivar event: The event's name.
    @ivar data: The event's data, as JSON.
    @ivar userId: Who published it, or L{None}.
    @ivar timestamp: When it came, milliseconds since the epoch.
    @ivar publishId: The id under which its publisher may send it again, or L{None}.
    @ivar stream: The end of the streamed answer that it keeps; L{None} if it keeps none.  With an
        end, its C{id} is that of the answer's
        L{record<aerostack.core.answers.checkpoints.AnswerRecord>}, and the transaction that keeps
        it deletes the answer's checkpoints.  No client can publish such a message.
    @ivar run: The run of the daemon that ends the answer.  The end is kept only if no other run
        has the answer.
    @ivar replaces: L{None} for a message that may expire.  For a message on a topic with
        C{compact}: the C{createdAt} up to which it replaces the kept messages of its topic, which
        the transaction that keeps it deletes; 0 if it replaces none, but another message will, of
        which it is a part; else L{LASTS}.
    @ivar key: As of L{Publication}.
    @ivar emitted: The row of the event that it keeps; L{None} if no transaction of the database
        emitted it.  The message is kept only if the row is there; the transaction that keeps it
        deletes the row, unless daemons share their topics.  The database keeps neither this nor
        C{run}, so messages are compared without them.
    """

    id: str
    topic: str
    kind: str
    event: str
    data: bytes
    userId: str | None
    timestamp: int
    publishId: str | None = None
    stream: StreamMark | None = None
    run: str = ""
    replaces: int | None = None
    key: str | None = None
    emitted: EmittedMark | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self._stored == other._stored

    def __hash__(self) -> int:
        return hash(self._stored)

    @property
    def _stored(self) -> tuple[Any, ...]:
        """What the database keeps of it."""
        return structs.astuple(structs.replace(self, run="", emitted=None))

    @property
    def isReplacing(self) -> bool:
        """Whether it replaces others."""
        return (self.replaces or 0) > 0


class Receipt(Struct, frozen=True, gc=False):
    """
    What a publisher may know of its message that was kept.  It is remembered for as long as the
    message may come again, so it holds none of the data.

    @ivar id: As of L{Message}.
    @ivar createdAt: As of L{Kept}.
    """

    id: str
    createdAt: int


class Kept(Struct, frozen=True, gc=False):
    """
    A message in the history.

    @ivar message: The message.
    @ivar createdAt: Its place in its topic: milliseconds since the epoch, but
        larger than that of every message kept before it in the topic, so that no
        two share one.
    @ivar before: The C{createdAt} of the message before it in its topic, 0 for the first;
        L{None} if that is not known.  It is no part of the message, so messages are compared
        without it.
    """

    message: Message
    createdAt: int
    before: int | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Kept):
            return False
        return self.createdAt == other.createdAt and self.message == other.message

    def __hash__(self) -> int:
        return hash((self.createdAt, self.message))

    @property
    def publication(self) -> Publication:
        """What subscribers get who have not had it yet."""
        message = self.message
        return Publication(
            message.topic,
            message.kind,
            message.event,
            message.data,
            message.userId,
            self.createdAt,
            self.createdAt,
            message.stream,
            message.key,
        )

    @property
    def receipt(self) -> Receipt:
        """The acknowledgement for the publisher."""
        return Receipt(self.message.id, self.createdAt)
