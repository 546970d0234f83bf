"""
Changes of a table's rows, as the frames that go to sockets.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from aerostack.core.replay.positions import Position
from aerostack.core.rows.changes import Change, Row
from aerostack.core.rows.transactions import OpenTransactions
from aerostack.core.rows.views import Projection, View, classify, seenChange
from aerostack.core.topics.policies import CLOSE, TopicPolicy
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.framing import Frame, viewFrame
from aerostack.protocol.serverframes import Commit, DbChange


def changeFrame(
    topic: str,
    change: Change,
    position: Position,
    policy: TopicPolicy | None = None,
    operation: str | None = None,
    projection: Projection | None = None,
    logPosition: Position | None = None,
) -> Frame:
    """
    The frame of a change.

    @param topic: The canonical topic.
    @param position: The change's place in the topic's log.
    @param policy: The topic's policy, if a slow reader may be spared the frame by it.
    @param operation: The operation in the frame; L{None} for the change's own.
    @param projection: The columns in the frame; L{None} for all.
    @param logPosition: The log's position before the change, if the frame is sent live.
    """
    seen = seenChange(change, operation or change.operation, projection)
    data, old = seen.data, seen.old
    omitted: Row = {}
    if change.omitted:
        omitted = _omitted(change, projection)
        data = {**data, **omitted}
        old = None if old is None else {**old, **omitted}
    key = None
    if policy is not None and policy.whenSlow != CLOSE:
        # Only the newest state of a row matters, whatever the operation.
        value = None if policy.slowKey is None else change.data.get(policy.slowKey)
        key = policy.conflationKey(topic, "", None if value is None else encodeValue(value))
    return wireFrame(
        DbChange(
            topic=topic,
            operation=seen.operation,
            data=data,
            timestamp=change.timestamp,
            old=UNSET if old is None else old,
            moved=True if seen.moved else UNSET,
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
    The columns whose values are too large to be sent, each as L{None}.
    """
    omitted: Row = dict.fromkeys(change.omitted)
    return projection.apply(omitted) if omitted and projection is not None else omitted


def commitFrame(
    topic: str,
    transaction: str | None,
    position: Position,
    policy: TopicPolicy | None = None,
    logPosition: Position | None = None,
) -> Frame:
    """
    The frame that says that a transaction is over, for subscribers that do not get its last
    change.

    @param transaction: See L{Change}.
    @param position: The last change's place in the topic's log.
    @param policy: The topic's policy, if a slow reader may be spared the frame by it.
    @param logPosition: The log's position before that change, if the frame is sent live.
    """
    tx = UNSET if transaction is None else transaction
    key = None if policy is None or policy.whenSlow == CLOSE else (topic, "commit")
    return wireFrame(Commit(topic=topic, tx=tx, pos=str(position)), topic, key, logPosition)


class ChangeEncoder:
    """
    Encodes one change for the subscribers of one topic: once for each form in which it is sent,
    whatever the reason for the form.

    @ivar topic: The canonical topic.
    @ivar change: The change.
    """

    __slots__ = (
        "_frames",
        "_logPosition",
        "_openTransactions",
        "_policy",
        "_position",
        "change",
        "topic",
    )

    # By operation, columns and the name of the view.
    _frames: dict[tuple[str, Projection | None, str], Frame]
    _position: Position
    _policy: TopicPolicy
    _logPosition: Position

    def __init__(
        self, topic: str, change: Change, openTransactions: OpenTransactions[View]
    ) -> None:
        """
        @param openTransactions: The views of the topic whose subscribers got a part of the
            transaction, and not its end.
        """
        self.topic = topic
        self.change = change
        self._openTransactions = openTransactions

    def encode(self, position: Position, policy: TopicPolicy, logPosition: Position) -> Frame:
        """
        Make the frame of the whole change, before any other frame of it.

        @param position: The change's position in the topic's log.
        @param logPosition: See L{Frame}.
        """
        self._position, self._policy, self._logPosition = position, policy, logPosition
        change = self.change
        whole = changeFrame(self.topic, change, position, policy, logPosition=logPosition)
        self._frames = {(change.operation, None, ""): whole}
        return whole

    def encodeFor(self, view: View) -> Frame | None:
        """
        Make the frame that subscribers with a view get; L{None} if they get none.
        """
        operation = classify(self.change, view)
        if operation is None:
            return None
        if view.selects:
            self._openTransactions.delivered(view, self.change.last)
        return self._frameFor(operation, view.projection, view.name)

    def endTransaction(self) -> Sequence[tuple[View, Frame]]:
        """
        If the change is the last of its transaction: the views whose subscribers got a part of
        the transaction and not this change, each with the frame that says that it is over.
        """
        views = self._openTransactions.end() if self.change.last else ()
        if not views:
            return ()
        change = self.change
        frame = commitFrame(
            self.topic, change.transaction, self._position, self._policy, self._logPosition
        )
        return [(view, viewFrame(frame, view.name) if view.name else frame) for view in views]

    def _frameFor(self, operation: str, projection: Projection | None, name: str) -> Frame:
        key = (operation, projection, name)
        frame = self._frames.get(key)
        if frame is None and name:
            # The rest of it is the same for all names.
            frame = viewFrame(self._frameFor(operation, projection, ""), name)
        elif frame is None:
            frame = changeFrame(
                self.topic,
                self.change,
                self._position,
                self._policy,
                operation,
                projection,
                self._logPosition,
            )
        self._frames[key] = frame
        return frame
