"""
Which requests for a subscription can be carried out.
"""

from __future__ import annotations

from collections.abc import Callable

from aerostack.core.access.tables import Grant
from aerostack.core.rows.views import parseEvents
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.protocol.clientframes import Subscribe


def checkRequest(
    topic: Topic, frame: Subscribe, keyedPolicy: Callable[[str], object | None], most: int
) -> None:
    """
    Make sure that a request has only options that its topic can have.

    @param keyedPolicy: Gives what holds for the values of a canonical topic; L{None} if it has
        none.
    @param most: How many publications a subscription may begin with.
    @raise RealtimeError: C{invalid_frame}, or an error of L{parseEvents}.
    """
    if topic.table is None:
        _checkTopic(frame)
        if frame.rewind and keyedPolicy(topic.canonical) is not None:
            raise RealtimeError(
                "invalid_frame", "A keyed topic begins with its values; leave out rewind."
            )
        if frame.rewind is not None and not 0 <= frame.rewind <= most:
            raise RealtimeError(
                "invalid_frame",
                f"rewind is {frame.rewind}; it can be 0 to {most} (limits.rewind).",
            )
    elif frame.rewind is not None:
        raise RealtimeError(
            "invalid_frame", "A table's topic has no rewind; ask for a snapshot, or send since."
        )
    elif not frame.snapshot and (frame.order is not None or frame.limit is not None):
        raise RealtimeError("invalid_frame", "order and limit are for a snapshot; ask for one.")


def _checkTopic(frame: Subscribe) -> None:
    """Refuse what only a table's topic takes."""
    if frame.filter or frame.columns is not None or parseEvents(frame.event) is not None:
        raise RealtimeError(
            "invalid_frame", "Only a table's topic takes a filter, columns or an event."
        )
    if frame.snapshot:
        raise RealtimeError("invalid_frame", "Only a table's topic has a snapshot.")


def needsColumns(frame: Subscribe, grant: Grant) -> bool:
    """
    Whether the daemon has to know the columns of the table for a request.
    """
    wanted = (frame.columns, frame.order)
    return bool(frame.filter) or wanted != (None, None) or not grant.isWhole
