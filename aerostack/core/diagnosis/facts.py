"""
What bears on whether what is published on a topic arrives at a user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aerostack.core.diagnosis.traces import Ended, Refused

LIVE, CATCHING_UP, ASKED, NONE = "live", "catching up", "asked", "none"
"""How far a subscription is."""


@dataclass(frozen=True)
class Last:
    """
    The newest that a topic's log has.

    @ivar at: When it came, milliseconds since the epoch.
    @ivar what: The event or operation.
    """

    at: int
    what: str


@dataclass(frozen=True)
class Log:
    """
    A topic's log.

    @ivar published: How much was published while it has been in memory.
    """

    published: int
    last: Last | None


@dataclass(frozen=True)
class Feed:
    """
    The change feed, for a table's topic.

    @ivar table: The table.
    @ivar allowed: Whether it is among C{tracker.tables}.
    @ivar watched: Whether it is followed.
    @ivar trouble: Why changes cannot be read; L{None} if they can.
    @ivar lag: For how many seconds there may be changes that were not told.
    @ivar transaction: What is to be said of one that is open, with changes of followed tables;
        L{None} if none is known.
    """

    table: str
    allowed: bool
    watched: bool
    trouble: str | None
    lag: float
    transaction: str | None = None


@dataclass(frozen=True)
class Link:
    """
    One of the user's connections.

    @ivar opened: When it came, milliseconds since the epoch.
    @ivar since: When it subscribed, if that is known.
    @ivar left: When it unsubscribed, if that was the last that it did.
    @ivar forbidden: Why it may not read the topic; L{None} if it may.
    @ivar rows: Which rows the rule lets it read, as words; L{None} for all.
    @ivar hidden: The columns that it may not read.
    @ivar missed: Why the newest change is not told to it (see L{whyMissed}).
    @ivar refused: The newest error that it was told about the topic.
    """

    id: str
    opened: int
    state: str = NONE
    since: int | None = None
    left: int | None = None
    forbidden: str | None = None
    rows: str | None = None
    hidden: Sequence[str] = ()
    filter: Mapping[str, Any] | None = None
    columns: Sequence[str] | None = None
    events: str | Sequence[str] | None = None
    missed: str | None = None
    refused: Refused | None = None
    queued: int = 0
    congested: bool = False


@dataclass(frozen=True)
class Facts:
    """
    All that is known.

    @ivar topic: Canonical.
    @ivar now: Milliseconds since the epoch.
    @ivar ended: The user's connections that are over, newest first.
    @ivar log: L{None} if the topic has none.
    @ivar feed: L{None} if the topic is no table's.
    @ivar namesake: A user of nearly that name who is connected.
    """

    user: str
    topic: str
    now: int
    links: Sequence[Link] = ()
    ended: Sequence[Ended] = ()
    log: Log | None = None
    feed: Feed | None = None
    namesake: str | None = None
