"""
What a subscription asks for, and the frames that answer it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import UNSET

from aerostack.core.replay.log import Gap
from aerostack.core.replay.positions import Position
from aerostack.core.rows.selection import Selection
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.protocol.frames import Error, Subscribed


@dataclass(frozen=True)
class SubscribeRequest:
    """
    What a subscription that has just been made asks for.

    @ivar view: Which of a table's changes are told, and how; L{None} for everything.
    @ivar since: The last position that the client has seen, if it comes back.
    @ivar selection: With which rows of the table it begins, unless it gets all that it
        missed; L{None} for none.
    @ivar sync: Whether it takes the members who are present in pages.
    @ivar refuse: Is called if the past or the rows cannot be read after all; the
        subscription is to be ended then.
    """

    topic: Topic
    view: View | None
    since: str | None
    selection: Selection | None
    sync: bool
    refuse: Callable[[RealtimeError], None]


def unavailable() -> RealtimeError:
    """
    The error for a subscription whose beginning cannot be read now.
    """
    return RealtimeError(
        "database_unavailable", "The database cannot be read now; subscribe again.", 1000
    )


def tableGone(topic: Topic) -> Error:
    """
    Tell a client that asked for rows that its table is missing.
    """
    return Error(
        code="unknown_table",
        message=f"The table {topic.table} is not there now, so it has no rows to begin with; a"
        " status frame says when it is back.",
        topic=topic.canonical,
    )


def goingOn(topic: Topic, since: str, isKeptOnly: bool) -> Subscribed:
    """
    Answer a client that gets all that it missed.

    @param since: The position that it brought.
    @param isKeptOnly: Whether what was not kept may be missing.
    """
    # A client that is cut off right behind this answer has to come back to where it was.
    return Subscribed(
        topic=topic.canonical,
        pos=since,
        recovered=True,
        keptOnly=True if isKeptOnly else UNSET,
    )


def startingAt(topic: Topic, live: Position | None, gap: Gap | None) -> Subscribed:
    """
    Answer a client that begins anew.

    @param live: Where the live frames begin; L{None} if the rows before them say so.
    @param gap: Why a client that came back does not get what it missed.
    """
    return Subscribed(
        topic=topic.canonical,
        pos=UNSET if live is None else str(live),
        recovered=UNSET if gap is None else False,
        gap=UNSET if gap is None else {"reason": gap.reason},
    )
