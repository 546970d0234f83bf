"""
The frames that the daemon sends, with every field.

L{aerostack.protocol.frames} says how to read the descriptions.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from aerostack.protocol.frames import MessageId


class ServerFrame(msgspec.Struct, frozen=True, tag_field="type"):
    """
    A frame that the daemon sends.  No field is null, unless it holds data of the application.
    """


class Subscribed(ServerFrame, frozen=True, tag="subscribed"):
    """
    The daemon has begun a subscription: every frame of the topic behind C{pos} will come.  It comes
    again, without being asked for, if the server that several daemons share has lost what comes
    next.

    @ivar topic: string.  The topic.
    @ivar pos: string; optional, added.  The position in the topic's log at which delivery
        begins.  Missing where a snapshot or the values of a keyed topic follow: their last frame
        has the position.
    @ivar recovered: boolean; optional, added.  To a client that sent C{since}: C{true} if all
        that it missed follows, C{false} if some of it is lost.  Missing where the client sent
        no C{since}.
    @ivar keptOnly: boolean; optional, added.  C{true}: of what the client missed, only the
        events that the history kept follow; others may be lost.  Missing otherwise.
    @ivar gap: object; optional, added.  C{{"reason": "expired" | "unknown" | "limit" |
        "lost"}}: why what the client missed does not follow.  Missing where nothing is lost.
    @ivar sync: boolean; optional, added.  C{true}: the members who are present come in pages,
        as the client asked.  Missing otherwise.
    @ivar view: string; optional, added.  The name of the subscription, if the client gave it one.
    """

    topic: str
    pos: str | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    keptOnly: bool | UnsetType = UNSET
    gap: dict[str, str] | UnsetType = UNSET
    sync: bool | UnsetType = UNSET
    view: str | UnsetType = UNSET


class Synced(ServerFrame, frozen=True, tag="synced"):
    """
    The daemon has sent all pages of the members who are present on a topic.  Only for clients that
    sent C{sync}.  The frame is added.

    @ivar topic: string.  The topic.
    @ivar timestamp: integer; added.  The time at which the set of members was as the pages
        said, ms.
    """

    topic: str
    timestamp: int


class Unsubscribed(ServerFrame, frozen=True, tag="unsubscribed"):
    """
    A subscription has ended: the client asked for it, or the daemon ended it and has sent an
    L{Error} that says why.  No frame of the topic comes behind this one.

    @ivar topic: string.  The topic.
    @ivar view: string; optional, added.  The name of the subscription, if the client gave it one.
    """

    topic: str
    view: str | UnsetType = UNSET


class Ack(ServerFrame, frozen=True, tag="ack"):
    """
    The daemon has taken a C{publish} or a C{chat}: the publication has its place in the topic's
    order.  If it is to be kept, it is committed.

    @ivar id: string or integer.  The C{id} of the client's frame, as the client sent it.
    """

    id: MessageId


class Pong(ServerFrame, frozen=True, tag="pong"):
    """
    The daemon answers a C{ping}.
    """


class DbChange(ServerFrame, frozen=True, tag="db_change"):
    """
    A committed transaction has changed one row of a table.

    @ivar topic: string.  The table's topic.
    @ivar operation: string.  C{INSERT}, C{UPDATE} or C{DELETE}, as this subscriber sees it: a
        row that comes into the filter is inserted, and a row that leaves it is deleted.
    @ivar data: object.  The row after the change, by columns; for C{DELETE} the row that went.
    @ivar timestamp: integer.  When the row was written, ms.
    @ivar old: object; optional.  The row before the change.  Missing for C{INSERT}.
    @ivar moved: boolean; optional, added.  C{true}: the table saw an C{UPDATE}, by which the
        row came into the filter or left it.  Missing otherwise.
    @ivar tx: string; optional, added.  What all changes of one transaction have in
        common.  Missing where the database does not tell transactions apart.
    @ivar commit: boolean; optional, added.  C{true}: this is the last change of its
        transaction.  Missing otherwise.
    @ivar omitted: list; optional, added.  The names of the columns whose values were too large
        to be sent; C{data} and C{old} have null for them.  Missing where no value was too
        large.
    @ivar pos: string; optional, added.  The position of the change in the topic's log.
    @ivar view: string; optional, added.  The name of the subscription, if the client gave it one.
    """

    topic: str
    operation: str
    data: Any
    timestamp: int
    old: Any = UNSET
    moved: bool | UnsetType = UNSET
    tx: str | UnsetType = UNSET
    commit: bool | UnsetType = UNSET
    omitted: list[str] | UnsetType = UNSET
    pos: str | UnsetType = UNSET
    view: str | UnsetType = UNSET


class SnapshotPage(ServerFrame, frozen=True, tag="snapshot"):
    """
    A part of the rows that a table had at one point.  Every change after that point follows the
    last page.  The frame is added.

    @ivar topic: string.  The table's topic.
    @ivar rows: list; added.  The rows of this page, each as C{data} of a L{DbChange}.  The list
        may be empty.
    @ivar more: boolean; added.  Whether another page follows.
    @ivar pos: string; optional, added.  The position at which the changes begin.  Only the last
        page has it.
    @ivar view: string; optional, added.  The name of the subscription, if the client gave it one.
    """

    topic: str
    rows: list[Raw]
    more: bool
    pos: str | UnsetType = UNSET
    view: str | UnsetType = UNSET


class Commit(ServerFrame, frozen=True, tag="commit"):
    """
    A transaction has ended whose last change this subscriber did not get, for its C{filter} or
    C{event}, although it got others.  The frame is added.

    @ivar topic: string.  The table's topic.
    @ivar pos: string; added.  The position of the transaction's last change.
    @ivar tx: string; optional, added.  The C{tx} of the transaction's changes.  Missing where
        they have none.
    @ivar view: string; optional, added.  The name of the subscription, if the client gave it one.
    """

    topic: str
    pos: str
    tx: str | UnsetType = UNSET
    view: str | UnsetType = UNSET


class Event(ServerFrame, frozen=True, tag="event"):
    """
    A user or a server has published an event, or the presence on a topic has changed.  Presence
    comes as C{presence:sync}, C{presence:join}, C{presence:update} and C{presence:leave}.

    @ivar topic: string.  The topic.
    @ivar event: string.  The name of the event.
    @ivar data: any.  What the event says, as the publisher sent it; for presence one member, or
        an object with the list C{members}.
    @ivar timestamp: integer.  When the daemon took the event, ms.
    @ivar userId: string; optional.  The user who published the event, or whose presence changed.
        Missing where the user is not known, and in C{presence:sync}.
    @ivar stream: string; optional, added.  The token stream that the event belongs to.  Only the
        daemon sets it.  Missing in all other events.
    @ivar part: string; optional, added.  The part of the token stream that C{data} belongs to.
        Missing in C{ai:start} and C{ai:done}.
    @ivar at: integer; optional, added.  Where the text in C{data} begins in its part, in UTF-16
        code units.  Missing where the event has no such text.
    @ivar reset: boolean; optional, added.  C{true}: the part's text is what it was up to C{at},
        and then this text.  Missing otherwise.
    @ivar state: string; optional, added.  The state in which the token stream has ended: C{done},
        C{failed}, C{cancelled} or C{aborted}.  Only in C{ai:done}.
    @ivar key: string; optional, added.  On a keyed topic, the key whose value C{data} is now;
        C{null} removes the value.
    @ivar current: boolean; optional, added.  C{true}: the value was there before the subscription
        began.
    @ivar more: boolean; optional, added.  C{true}: other values that were there before follow.
        Only with C{current}.
    @ivar pos: string; optional, added.  The position of the event in the topic's log.  Missing
        for presence, which is no part of the log, and where more of the same position follows.
    @ivar view: string; optional, added.  The name of the subscription, if the client gave it one.
    """

    topic: str
    event: str
    data: Any
    timestamp: int
    userId: str | UnsetType = UNSET
    stream: str | UnsetType = UNSET
    part: str | UnsetType = UNSET
    at: int | UnsetType = UNSET
    reset: bool | UnsetType = UNSET
    state: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    current: bool | UnsetType = UNSET
    more: bool | UnsetType = UNSET
    pos: str | UnsetType = UNSET
    view: str | UnsetType = UNSET


class StreamAck(ServerFrame, frozen=True, tag="stream_ack"):
    """
    The daemon has done what a frame about a token stream asks for.  Behind the end of a stream that
    is kept it comes after the commit.  The frame is added.

    @ivar stream: string; added.  The token stream.
    @ivar topic: string; optional, added.  The topic.  Only behind C{stream_start}.
    @ivar id: string or integer; optional, added.  The C{id} of the client's frame.  Missing where
        that had none.
    @ivar epoch: integer; optional, added.  The number of the producer, which it sends with every
        further frame.  Missing behind C{stream_end} and C{stream_cancel}.
    @ivar length: object; optional, added.  The length of each part's text, in UTF-16 code units, by
        the ids of the parts.  Missing behind C{stream_end} and C{stream_cancel}.
    @ivar lease: integer; optional, added.  For how many milliseconds the stream goes on without
        another frame of its producer.  Only behind C{stream_start} and C{stream_beat}.
    @ivar edition: object; optional, added.  How often text of each part was taken back, by the ids
        of the parts.  Only behind C{stream_start} and C{stream_beat}, and missing where none was.
    @ivar state: string; optional, added.  The state in which the stream has ended.  Only behind
        C{stream_end} and C{stream_cancel}.
    @ivar kept: boolean; optional, added.  Whether the history has kept the stream.  Only behind
        C{stream_end}.
    """

    stream: str
    topic: str | UnsetType = UNSET
    id: MessageId | UnsetType = UNSET
    epoch: int | UnsetType = UNSET
    length: dict[str, int] | UnsetType = UNSET
    lease: int | UnsetType = UNSET
    edition: dict[str, int] | UnsetType = UNSET
    state: str | UnsetType = UNSET
    kept: bool | UnsetType = UNSET


class StreamStop(ServerFrame, frozen=True, tag="stream_stop"):
    """
    A token stream that this client produces has ended without it: the client sends no more of it.
    The frame is added.

    @ivar stream: string; added.  The token stream.
    @ivar topic: string; added.  The topic.
    @ivar epoch: integer; added.  The number of the producer.
    @ivar state: string; added.  The state in which the stream has ended: C{cancelled} or
        C{aborted}; C{streaming} if another producer has taken it over.
    @ivar by: string; optional, added.  The user who has cancelled it.  Missing where the user is
        not known.
    @ivar reason: string; optional, added.  Why the daemon has ended it.  Only with C{aborted}.
    """

    stream: str
    topic: str
    epoch: int
    state: str
    by: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class ChatMessage(ServerFrame, frozen=True, tag="chat_message"):
    """
    A user has said something with C{chat}.

    @ivar topic: string.  The topic of the room, C{chat/<roomId>/P}.
    @ivar event: string.  Always C{message}.
    @ivar data: object.  C{{"id": string, "text": string, "metadata": object or null}}; the
        daemon makes the id.
    @ivar timestamp: integer.  When the daemon kept the message, ms: its C{created_at} in the
        history.
    @ivar userId: string; optional.  The user who said it.  Missing where the user is not known.
    @ivar pos: string; optional, added.  The position of the message in the topic's log.
    """

    topic: str
    event: str
    data: Any
    timestamp: int
    userId: str | UnsetType = UNSET
    pos: str | UnsetType = UNSET


class Status(ServerFrame, frozen=True, tag="status"):
    """
    The state of a table's changes is another one, or of the publications on a topic that several
    daemons share.  The subscription goes on.  Each frame has one of C{feed}, C{table} and
    C{events}.  The frame is added.

    @ivar topic: string.  The topic.
    @ivar message: string; added.  One sentence for people.
    @ivar feed: string; optional, added.  C{down}: the daemon cannot read the changes or the
        publications for now; they come later, or a C{subscribed} says that some are lost.  C{up}:
        it reads them again.
    @ivar table: string; optional, added.  C{back}: the daemon follows the table again, after an
        L{Error} C{table_lost}.  C{altered}: the table has other columns than before.  The
        client asks for the rows again in both cases.
    @ivar events: string; optional, added.  C{lost}: the server that several daemons share has lost
        events that were published on this table's topic.  The changes are whole.
    @ivar since: integer; optional, added.  The time since which the feed is down, ms.  Only
        with C{feed}: C{down}.
    @ivar view: string; optional, added.  The name of the subscription, if the client gave it one.
    """

    topic: str
    message: str
    feed: str | UnsetType = UNSET
    table: str | UnsetType = UNSET
    events: str | UnsetType = UNSET
    since: int | UnsetType = UNSET
    view: str | UnsetType = UNSET


class Reconnect(ServerFrame, frozen=True, tag="reconnect"):
    """
    The daemon stops, and closes with 1001 behind this frame.  The frame is added.

    @ivar delay: integer; added.  The time after which this client may come back, in
        milliseconds.  Each client gets another one.
    @ivar reason: string; added.  Always C{restart}.
    """

    delay: int
    reason: str


class Opened(ServerFrame, frozen=True, tag="session"):
    """
    The daemon has opened a connection over server-sent events.  It is the first frame there, and
    comes on no WebSocket.  The frame is added.

    @ivar session: string; added.  A secret that names the connection: the client sends its frames
        with it.
    """

    session: str


class Closed(ServerFrame, frozen=True, tag="close"):
    """
    The daemon closes a connection over server-sent events.  It is the last frame there, and comes
    on no WebSocket, which has a close frame of its own.  The frame is added.

    @ivar code: integer; added.  The code with which a WebSocket would be closed.
    @ivar reason: string; added.  The reason, which may be empty.
    """

    code: int
    reason: str


class Error(ServerFrame, frozen=True, tag="error"):
    """
    The daemon has refused a frame, or has ended something.  The connection goes on, unless a close
    follows.

    @ivar code: string.  One of L{aerostack.errors.ERRORS}, for programs.
    @ivar message: string.  One sentence for people: what is wrong, and what to do.
    @ivar id: string or integer; optional.  The C{id} of the frame that the daemon
        refuses.  Missing where the frame has none, or none that can be read.
    @ivar topic: string; optional.  The topic that the error is about; where the client sent no
        topic, what it sent as one.  Missing where the error is about no topic.
    @ivar retryAfter: integer; optional, added.  The time after which the same may succeed, in
        milliseconds.  Missing where a later try fails, too.
    @ivar request: string; optional, added.  The C{type} of the frame that the daemon refuses,
        or its first 64 characters.  Missing where something ended by itself.
    @ivar stream: string; optional, added.  The token stream that the error is about.  Missing
        where it is about none.
    @ivar length: object; optional, added.  Up to where the daemon has the text of each part, in
        UTF-16 code units.  Only with C{stream_gap}.
    @ivar edition: object; optional, added.  How often text of each part was taken back.  Only with
        C{stream_gap}, and missing where none was.
    @ivar state: string; optional, added.  The state in which the token stream has ended.  Only
        with C{stream_ended}.
    @ivar by: string; optional, added.  The user who has cancelled it.  Only with
        C{stream_ended}.
    @ivar pos: string or null; optional, added.  The position of the key's value; null if it has
        none.  Only with C{stale}.
    @ivar data: any; optional, added.  The key's value; null if it has none.  Only with C{stale}.
    @ivar view: string; optional, added.  The name of the subscription, if the client gave it one.
    """

    code: str
    message: str
    id: MessageId | UnsetType = UNSET
    topic: str | UnsetType = UNSET
    retryAfter: int | UnsetType = UNSET
    request: str | UnsetType = UNSET
    stream: str | UnsetType = UNSET
    length: dict[str, int] | UnsetType = UNSET
    edition: dict[str, int] | UnsetType = UNSET
    state: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
    pos: str | UnsetType | None = UNSET
    data: Any = UNSET
    view: str | UnsetType = UNSET
