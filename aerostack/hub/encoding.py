"""
What is told, as the frames that go to sockets: what was published, and what of a table's
changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from msgspec import UNSET, Raw

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import CHAT_MESSAGE, PRESENCE, Publication
from aerostack.core.rows.changes import Change, Row
from aerostack.core.rows.transactions import OpenTransactions
from aerostack.core.rows.views import Projection, View, judge, tell
from aerostack.core.topics.policies import CLOSE, TopicPolicy
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.frames import ChatMessage, Commit, DbChange, Event
from aerostack.protocol.framing import Frame


def publicationFrame(
    publication: Publication,
    position: Position | None,
    key: Hashable,
    before: Position | None = None,
) -> Frame:
    """
    The bytes that carry a publication.

    @param position: Its place in the topic's log, if it is part of it.
    @param key: See L{Frame}.
    @param before: See L{Frame}.
    """
    kind = ChatMessage if publication.kind == CHAT_MESSAGE else Event
    frame = kind(
        topic=publication.topic,
        event=publication.event,
        data=Raw(publication.data),
        timestamp=publication.timestamp,
        userId=UNSET if publication.userId is None else publication.userId,
        pos=UNSET if position is None else str(position),
    )
    wired = wireFrame(frame, publication.topic, key, before)
    if publication.kind == PRESENCE:
        wired.isState = True
    return wired


def changeFrame(
    topic: str,
    change: Change,
    position: Position,
    rule: TopicPolicy | None = None,
    operation: str | None = None,
    projection: Projection | None = None,
    before: Position | None = None,
) -> Frame:
    """
    The frame of a change.

    @param topic: The canonical topic.
    @param position: The change's place in the topic's log.
    @param rule: What holds for the topic, where the frame may be spared.
    @param operation: As what the change is told, if it is not as what it was.
    @param projection: The columns that are told, L{None} for all.
    @param before: Where the log stood before the change, if it goes out live.
    """
    told = tell(change, operation or change.operation, projection)
    data, old, omitted = told.data, told.old, _omitted(change, projection)
    if omitted:
        data = {**data, **omitted}
        old = None if old is None else {**old, **omitted}
    key = None
    if rule is not None and rule.whenSlow != CLOSE:
        # Whatever happens to a row, what it is in the end is what counts.
        value = None if rule.slowKey is None else change.data.get(rule.slowKey)
        key = rule.conflationKey(topic, "", None if value is None else encodeValue(value))
    return wireFrame(
        DbChange(
            topic=topic,
            operation=told.operation,
            data=data,
            timestamp=change.timestamp,
            old=UNSET if old is None else old,
            moved=True if told.moved else UNSET,
            tx=UNSET if change.transaction is None else change.transaction,
            commit=True if change.last else UNSET,
            omitted=list(omitted) or UNSET,
            pos=str(position),
        ),
        topic,
        key,
        before,
    )


def _omitted(change: Change, projection: Projection | None) -> Row:
    """
    What is told of values that are too large to be told.
    """
    omitted: Row = dict.fromkeys(change.omitted)
    return projection.apply(omitted) if omitted and projection is not None else omitted


def commitFrame(
    topic: str,
    transaction: str | None,
    position: Position,
    rule: TopicPolicy | None = None,
    before: Position | None = None,
) -> Frame:
    """
    The frame that says that a transaction is over, for those who did not get its last change.

    @param transaction: See L{Change}.
    @param position: The last change's place in the topic's log.
    @param rule: What holds for the topic, where the frame may be spared.
    @param before: Where the log stood before that change, if the frame goes out live.
    """
    tx = UNSET if transaction is None else transaction
    key = None if rule is None or rule.whenSlow == CLOSE else (topic, "commit")
    return wireFrame(Commit(topic=topic, tx=tx, pos=str(position)), topic, key, before)


class RowReplay:
    """
    A part of a table's past, as it is told to one who comes back.
    """

    def __init__(self, topic: str, view: View | None, since: Position) -> None:
        """
        @param topic: The canonical topic.
        @param view: What is told; L{None} for everything.
        @param since: Where the part begins.
        """
        self._topic = topic
        self._view = view
        self._ends: OpenTransactions[None] = OpenTransactions()
        if since.within:
            self._ends.enter(None)

    def change(
        self, change: Change, position: Position, whole: Frame | None = None
    ) -> Iterator[Frame]:
        """
        Go on with a change.

        @param whole: Its frame for those who are told everything, if there is one.
        """
        view = self._view
        operation = change.operation if view is None else judge(change, view)
        if operation is None:
            if change.last:
                yield from self._over(change.transaction, position)
            return
        self._ends.told(None, change.last)
        projection = None if view is None else view.projection
        if whole is not None and operation == change.operation and projection is None:
            yield whole
        else:
            yield changeFrame(self._topic, change, position, None, operation, projection)

    def end(self, position: Position) -> Iterator[Frame]:
        """
        End where no transaction goes on.  SQLite's journal does not say by itself where
        one ended.
        """
        yield from self._over(None, position)

    def _over(self, transaction: str | None, position: Position) -> Iterator[Frame]:
        for _ in self._ends.end():
            yield commitFrame(self._topic, transaction, position)
