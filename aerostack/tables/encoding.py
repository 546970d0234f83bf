"""
Changes of a table's rows, as the frames that go to sockets.
"""

from __future__ import annotations

from msgspec import UNSET

from aerostack.core.replay.positions import Position
from aerostack.core.rows.changes import Change, Row
from aerostack.core.rows.views import Projection, tell
from aerostack.core.topics.policies import CLOSE, TopicPolicy
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.frames import Commit, DbChange
from aerostack.protocol.framing import Frame


def changeFrame(
    topic: str,
    change: Change,
    position: Position,
    rule: TopicPolicy | None = None,
    operation: str | None = None,
    projection: Projection | None = None,
    logPosition: Position | None = None,
) -> Frame:
    """
    The frame of a change.

    @param topic: The canonical topic.
    @param position: The change's place in the topic's log.
    @param rule: What holds for the topic, where the frame may be spared.
    @param operation: As what the change is told, if it is not as what it was.
    @param projection: The columns that are told, L{None} for all.
    @param logPosition: Where the log stood before the change, if it goes out live.
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
        logPosition,
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
    logPosition: Position | None = None,
) -> Frame:
    """
    The frame that says that a transaction is over, for those who did not get its last change.

    @param transaction: See L{Change}.
    @param position: The last change's place in the topic's log.
    @param rule: What holds for the topic, where the frame may be spared.
    @param logPosition: Where the log stood before that change, if the frame goes out live.
    """
    tx = UNSET if transaction is None else transaction
    key = None if rule is None or rule.whenSlow == CLOSE else (topic, "commit")
    return wireFrame(Commit(topic=topic, tx=tx, pos=str(position)), topic, key, logPosition)
