"""
The frames that a client sends, with every field.

L{aerostack.protocol.frames} says how to read the descriptions.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from aerostack.protocol.frames import MessageId

NULL = Raw(b"null")


class ClientFrame(msgspec.Struct, frozen=True, tag_field="type"):
    """
    A frame that a client sends.  Where a field may be null, null means the same as no field.
    """


def requestOf(frame: ClientFrame) -> str:
    """
    The type of a client's frame, as it stands on the wire.
    """
    return str(frame.__struct_config__.tag)


class Subscribe(ClientFrame, frozen=True, tag="subscribe"):
    """
    The client begins a subscription, or replaces the one that it has to the topic.  The daemon
    answers with C{subscribed}, or with an C{error} that names the topic.

    @ivar topic: string.  The topic to subscribe to; at most C{limits.topic_length} characters.
    @ivar filter: object or null; optional.  Which rows of a table the client wants, by columns
        and conditions (see L{aerostack.core.rows.filters}).  Without it: all rows.
    @ivar event: string, list or null; optional, added.  Which changes of a table the client
        wants: C{INSERT}, C{UPDATE}, C{DELETE}, one or a list of them.  Without it: all changes.
    @ivar columns: list or null; optional, added.  The names of the columns of a table that the
        client wants.  Without it: all columns that the client may read.
    @ivar since: string or null; optional, added.  The last C{pos} of the topic that the client
        saw.  The daemon then sends what the client missed.  Without it: only what comes from now
        on.
    @ivar snapshot: boolean or null; optional, added.  C{true}: the daemon first sends the rows
        that the table has now, as C{snapshot} frames.  With C{since}, only if what was missed is
        gone.
    @ivar order: list or null; optional, added.  The order of the rows of a snapshot:
        C{[["created_at", "desc"], ...]}.  Without it: in any order.
    @ivar limit: integer or null; optional, added.  The highest number of rows in a snapshot.
        Without it: all rows.  The daemon answers C{too_large} if they exceed
        C{limits.snapshot_rows} or C{limits.snapshot_bytes}.
    @ivar sync: boolean or null; optional, added.  C{true}: the daemon sends the members who are
        present in pages, and C{synced} behind them.  Without it: all members in one frame.
    @ivar rewind: integer or null; optional, added.  With how many of the newest frames of the
        topic's log the subscription begins, at most C{limits.rewind}; not on a table's topic.
        With C{since}, only if what was missed is gone.  Without it: as many as the configuration
        says for the topic.
    @ivar view: string or null; optional, added.  The client's name for this subscription to a
        table, beside others that it has to the same table: 1 to 64 letters, digits and C{._:-}.
        Frames of the subscription carry it.  Without it: the subscription without a name.
    """

    topic: str
    filter: dict[str, Any] | None = None
    event: str | list[str] | None = None
    columns: list[str] | None = None
    since: str | None = None
    snapshot: bool | None = None
    order: Any = None
    limit: int | None = None
    sync: bool | None = None
    rewind: int | None = None
    view: str | None = None


class Unsubscribe(ClientFrame, frozen=True, tag="unsubscribe"):
    """
    The client ends a subscription.  The daemon answers with C{unsubscribed}, also where there was
    no subscription.

    @ivar topic: string.  The topic to leave.  What the client tracks on it stays.
    @ivar view: string or null; optional, added.  The name of the subscription that ends.  Without
        it: the subscription without a name.
    """

    topic: str
    view: str | None = None


class Publish(ClientFrame, frozen=True, tag="publish"):
    """
    The client publishes an event to all subscribers of a topic.  If the frame has an C{id}, the
    daemon answers with C{ack}.  A refusal is an C{error} with the same C{id}.

    @ivar topic: string.  The topic to publish on; not a table's topic.
    @ivar event: string.  The name of the event, at most C{limits.event_length} characters.  It
        does not begin with C{presence:}.
    @ivar data: any; optional.  What the event says.  Subscribers get these bytes.  Without it:
        null.
    @ivar persist: boolean or null; optional.  C{true}: the daemon keeps the event in the
        topic's history, and answers after the commit.  Without it: the event is not kept.
    @ivar id: string or integer; optional.  The client's name for this publication, at most 128
        characters.  If the same user sends the same C{id}, C{event} and C{data} on the topic
        again within C{replay.repeat_window}, the daemon answers again and delivers
        nothing.  Without it: no answer.
    @ivar replaces: integer or null; optional, added.  With C{persist}, on a topic with C{compact}
        in C{[topics]}: the C{created_at}, ms, of a kept message.  The daemon deletes this message
        and the older ones of the topic in the transaction that keeps the event.  0: the event is a
        part of what will replace them.
    @ivar key: string or null; optional, added.  On a keyed topic, the key whose value C{data}
        becomes; at most 256 characters.  The C{data} C{null} removes the value.
    @ivar ifPos: string or null; optional, added.  Publish only if the key's value has this C{pos}.
        If not, the daemon answers with the error C{stale}.
    @ivar ifNew: boolean or null; optional, added.  C{true}: publish only if the key has no value.
        If it has one, the daemon answers with the error C{stale}.
    """

    topic: str
    event: str
    data: Raw = NULL
    persist: bool | None = None
    id: MessageId | None = None
    replaces: int | None = None
    key: str | None = None
    ifPos: str | None = None
    ifNew: bool | None = None


class Track(ClientFrame, frozen=True, tag="track"):
    """
    The client becomes present on a topic, or changes the state that it shows there.  The first
    time the daemon answers with an C{event} C{presence:sync}; subscribers get C{presence:join} or
    C{presence:update}.

    @ivar topic: string.  The topic to be present on.
    @ivar state: object.  What other clients see, at most C{limits.state_bytes} bytes as
        JSON.  It replaces the state before.
    @ivar sync: boolean or null; optional, added.  C{true}: the daemon sends the members in
        pages, as for L{Subscribe}.  Without it: all members in one frame.
    """

    topic: str
    state: dict[str, Raw]
    sync: bool | None = None


class Untrack(ClientFrame, frozen=True, tag="untrack"):
    """
    The client ends its presence on a topic.  The daemon answers nothing; subscribers get an
    C{event} C{presence:leave}.

    @ivar topic: string.  The topic on which the client is present no more.
    """

    topic: str


class Chat(ClientFrame, frozen=True, tag="chat"):
    """
    The client says something in a room.  Subscribers of C{chat/<roomId>} get a C{chat_message}.
    The daemon keeps it in the history.

    @ivar roomId: string.  The name of the room, the part of the topic behind C{chat/}.
    @ivar text: string.  What the client says.
    @ivar metadata: object or null; optional.  Anything else about the message.  Without it:
        null.
    @ivar id: string or integer; optional, added.  As for L{Publish}: the daemon answers with
        C{ack} once the message is kept.  Without it: no answer.
    """

    roomId: str
    text: str
    metadata: dict[str, Raw] | None = None
    id: MessageId | None = None


class Auth(ClientFrame, frozen=True, tag="auth"):
    """
    The client goes on under a new token.  The daemon answers nothing if the token is good; else it
    sends an C{error} and closes with 4001.

    @ivar token: string.  The new token, a JWT.
    """

    token: str


class StreamStart(ClientFrame, frozen=True, tag="stream_start"):
    """
    The client begins to produce a token stream, or goes on with one.  It needs the secret key, or a
    token whose claim C{topics.stream} names the topic.  The daemon answers with C{stream_ack}.  The
    frame is added.

    @ivar topic: string; added.  The topic of the stream; not a table's topic.
    @ivar stream: string or null; optional, added.  The id of the stream, 1 to 64 letters, digits
        and C{._:-}.  Without it: the daemon makes one.
    @ivar producer: string or null; optional, added.  A name of this producer, at most 128
        characters.  If the answer is lost, the same start with the same C{producer} gives the same
        answer.  Without it: each start is another producer.
    @ivar owner: string or null; optional, added.  The user for whom the stream is.  Without it:
        nobody in particular.
    @ivar cancel: string or null; optional, added.  Who may cancel the stream: C{owner},
        C{publishers} (all who may publish on the topic) or C{nobody}.  Without it: C{owner}.
    @ivar lease: integer or null; optional, added.  After how many milliseconds without a frame of
        its producer the daemon ends the stream; 1000 to 600000.  Without it: 30000.
    @ivar persist: boolean or null; optional, added.  C{false}: the history does not keep the
        stream.  Without it: the history keeps it when it ends.
    @ivar meta: object or null; optional, added.  What watchers get with C{ai:start}.  Without it:
        an empty object.
    @ivar takeover: boolean or null; optional, added.  C{true}: take a stream from another producer
        although its lease has not ended.  Without it: the daemon answers C{stream_busy}.
    @ivar id: string or integer; optional, added.  The C{id} of the answer.  Without it: the answer
        has none.
    """

    topic: str
    stream: str | None = None
    producer: str | None = None
    owner: str | None = None
    cancel: str | None = None
    lease: int | None = None
    persist: bool | None = None
    meta: dict[str, Raw] | None = None
    takeover: bool | None = None
    id: MessageId | None = None


class StreamAppend(ClientFrame, frozen=True, tag="stream_append"):
    """
    The producer of a token stream lets a part grow.  If the frame has an C{id}, the daemon answers
    with C{stream_ack}.  The frame is added.

    @ivar stream: string; added.  The stream.
    @ivar epoch: integer; added.  The number of the producer, from C{stream_ack}.
    @ivar part: string; added.  The id of the part, 1 to 64 letters, digits and C{._:-}.
    @ivar at: integer; added.  Where the text begins in the part, in UTF-16 code units: the length
        of what the producer has sent of it.
    @ivar text: string; added.  The text.
    @ivar kind: string or null; optional, added.  The kind of the part: C{text}, C{reasoning} or
        C{tool} (the arguments of a tool's call).  Without it: C{text}.
    @ivar edition: integer or null; optional, added.  How often the producer has taken text of the
        part back.  If that is once more than before, C{text} takes the place of what is behind
        C{at}.  Without it: 0.
    @ivar id: string or integer; optional, added.  The C{id} of the answer.  Without it: no answer,
        if nothing is wrong.
    """

    stream: str
    epoch: int
    part: str
    at: int
    text: str
    kind: str | None = None
    edition: int | None = None
    id: MessageId | None = None


class StreamPut(ClientFrame, frozen=True, tag="stream_put"):
    """
    The producer of a token stream gives a part a value, in place of the one before.  If the frame
    has an C{id}, the daemon answers with C{stream_ack}.  The frame is added.

    @ivar stream: string; added.  The stream.
    @ivar epoch: integer; added.  The number of the producer, from C{stream_ack}.
    @ivar part: string; added.  The id of the part.
    @ivar kind: string; added.  The kind of the part: C{tool} or C{data}.
    @ivar value: object; added.  For C{tool} any of C{name}, C{input}, C{output} and C{error}; for
        C{data} C{name} and C{value}.
    @ivar id: string or integer; optional, added.  The C{id} of the answer.  Without it: no answer,
        if nothing is wrong.
    """

    stream: str
    epoch: int
    part: str
    kind: str
    value: dict[str, Raw]
    id: MessageId | None = None


class StreamEnd(ClientFrame, frozen=True, tag="stream_end"):
    """
    The producer ends a token stream.  The daemon answers with C{stream_ack}; if the stream is kept,
    after the commit.  The frame is added.

    @ivar stream: string; added.  The stream.
    @ivar epoch: integer; added.  The number of the producer, from C{stream_ack}.
    @ivar state: string or null; optional, added.  C{done} or C{failed}.  Without it: C{done}.
    @ivar error: string or null; optional, added.  Why the producer has failed, for watchers, at
        most 1000 characters.  Without it: no reason.
    @ivar usage: object or null; optional, added.  What the stream has used, for watchers.  Without
        it: nothing.
    @ivar length: object or null; optional, added.  How much text the producer has sent of each
        part, in UTF-16 code units, by the parts' ids.  If the daemon has less, the stream does not
        end, and the error is C{stream_gap}.  Without it: it ends with what the daemon has.
    @ivar edition: object or null; optional, added.  How often the producer has taken text of each
        part back, beside C{length}.  Without it: never.
    @ivar id: string or integer; optional, added.  The C{id} of the answer.  Without it: the answer
        has none.
    """

    stream: str
    epoch: int
    state: str | None = None
    error: str | None = None
    usage: dict[str, Raw] | None = None
    length: dict[str, int] | None = None
    edition: dict[str, int] | None = None
    id: MessageId | None = None


class StreamBeat(ClientFrame, frozen=True, tag="stream_beat"):
    """
    The producer of a token stream is still there, although it has nothing to send.  The daemon
    answers with C{stream_ack}.  The frame is added.

    @ivar stream: string; added.  The stream.
    @ivar epoch: integer; added.  The number of the producer, from C{stream_ack}.
    @ivar id: string or integer; optional, added.  The C{id} of the answer.  Without it: the answer
        has none.
    """

    stream: str
    epoch: int
    id: MessageId | None = None


class StreamCancel(ClientFrame, frozen=True, tag="stream_cancel"):
    """
    A client cancels a token stream.  No text of the stream reaches anybody behind the answer, a
    C{stream_ack}.  The daemon answers so also if the stream is cancelled already.  The frame is
    added.

    @ivar stream: string; added.  The stream.
    @ivar topic: string or null; optional, added.  The topic of the stream, to which errors refer.
        Without it: errors name no topic.
    @ivar id: string or integer; optional, added.  The C{id} of the answer.  Without it: the answer
        has none.
    """

    stream: str
    topic: str | None = None
    id: MessageId | None = None


class Ping(ClientFrame, frozen=True, tag="ping"):
    """
    The client asks whether the daemon is there.  The daemon answers with C{pong}.
    """


AnyClientFrame = (
    Subscribe
    | Unsubscribe
    | Publish
    | Track
    | Untrack
    | Chat
    | Auth
    | StreamStart
    | StreamAppend
    | StreamPut
    | StreamEnd
    | StreamBeat
    | StreamCancel
    | Ping
)
