"""
What a subscription asks for, and the frames that answer it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import UNSET

from aerostack.core.replay.gaps import LOST, Gap
from aerostack.core.replay.log import TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.replay.sharedlog import SharedLog
from aerostack.core.rows.selection import Selection
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.protocol.serverframes import Error, Subscribed


@dataclass(frozen=True)
class SubscribeRequest:
    """
    What a new subscription asks for.

    @ivar view: Which of a table's changes the client gets, and with which columns; L{None} for
        everything.
    @ivar since: The last position that the client has seen, if it comes back.
    @ivar selection: The rows of the table that the client gets first, unless it gets everything
        that it missed; L{None} for none.
    @ivar sync: Whether the client takes the members of the topic in pages.
    @ivar refuse: Ends the subscription.  It is called with the error if the past or the rows cannot
        be read.
    @ivar rewind: With how many of the newest frames of the log the client begins, unless it gets
        everything that it missed.
    @ivar isRewindAsked: Whether the client has asked for these frames itself.
    @ivar lost: The gap that the client gets, whatever the log says; L{None} for the log's.
    """

    topic: Topic
    view: View | None
    since: str | None
    selection: Selection | None
    sync: bool
    refuse: Callable[[RealtimeError], None]
    lost: Gap | None = None
    rewind: int = 0
    isRewindAsked: bool = False


def unavailable() -> RealtimeError:
    """
    The error for a subscription whose beginning cannot be read now.
    """
    return RealtimeError(
        "database_unavailable", "The database cannot be read now; subscribe again.", 1000
    )


def tableGone(topic: Topic) -> Error:
    """
    Make the error for a client that asked for rows of a table that is missing.
    """
    return Error(
        code="unknown_table",
        message=f"The table {topic.table} is not there now, so it has no rows to begin with; a"
        " status frame says when it is back.",
        topic=topic.canonical,
    )


def goingOn(topic: Topic, since: str, isKeptOnly: bool) -> Subscribed:
    """
    Make the answer for a client that gets everything that it missed.

    @param since: The position that the client sent.
    @param isKeptOnly: Whether events that were not kept may be missing.
    """
    # If the client is cut off right after this answer, it must resume from the same position.
    return Subscribed(
        topic=topic.canonical,
        pos=since,
        recovered=True,
        keptOnly=True if isKeptOnly else UNSET,
    )


def lostGap(request: SubscribeRequest, position: Position | None, log: TopicLog) -> Gap | None:
    """
    Give the gap for a client whose position the server has lost that daemons share; L{None} for
    other gaps.

    @param position: The position that the client sent.
    """
    if request.lost is not None or position is None or not isinstance(log, SharedLog):
        return request.lost
    return LOST if position.epoch == log.epoch and not log.holds(position) else None


def startingAt(topic: Topic, live: Position | None, gap: Gap | None) -> Subscribed:
    """
    Make the answer for a client that begins anew.

    @param live: Where the live frames begin; L{None} if the rows before them say so.
    @param gap: Why a client that came back does not get what it missed.
    """
    return Subscribed(
        topic=topic.canonical,
        pos=UNSET if live is None else str(live),
        recovered=UNSET if gap is None else False,
        gap=UNSET if gap is None else {"reason": gap.reason},
    )
