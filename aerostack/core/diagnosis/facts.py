"""
The facts that decide whether publications on a topic reach a user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aerostack.core.diagnosis.traces import Ended, Refused

LIVE, CATCHING_UP, ASKED, NONE = "live", "catching up", "asked", "none"
"""The states of a subscription."""


@dataclass(frozen=True)
class Last:
    """
    The newest entry of a topic's log.

    @ivar at: When it was published, milliseconds since the epoch.
    @ivar what: The event or operation.
    """

    at: int
    what: str


@dataclass(frozen=True)
class Log:
    """
    A topic's log.

    @ivar published: How many publications there were while the log has been in memory.
    """

    published: int
    last: Last | None


@dataclass(frozen=True)
class Feed:
    """
    The change feed, for a table's topic.

    @ivar table: The table.
    @ivar allowed: Whether the table is among C{tracker.tables}.
    @ivar watched: Whether the daemon follows the table.
    @ivar trouble: Why changes cannot be read; L{None} if they can.
    @ivar lag: For how many seconds there may be changes that were not delivered.
    @ivar transaction: A sentence about an open transaction with changes of followed tables; L{None}
        if the daemon knows none.
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

    @ivar opened: When it opened, milliseconds since the epoch.
    @ivar since: When it subscribed, if that is known.
    @ivar left: When it unsubscribed, if it has not subscribed again since.
    @ivar forbidden: Why it may not read the topic; L{None} if it may.
    @ivar rows: The rule's condition on the rows that it may read; L{None} for all.
    @ivar hidden: The columns that it may not read.
    @ivar missed: Why it does not get the newest change (see L{whyMissed}).
    @ivar refused: The newest error that it got about the topic.
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
    All facts about a user and a topic.

    @ivar topic: The canonical topic.
    @ivar now: The present time, milliseconds since the epoch.
    @ivar ended: The user's ended connections, newest first.
    @ivar log: L{None} if the topic has none.
    @ivar feed: L{None} if the topic is not a table's.
    @ivar namesake: A connected user with nearly the same name.
    """

    user: str
    topic: str
    now: int
    links: Sequence[Link] = ()
    ended: Sequence[Ended] = ()
    log: Log | None = None
    feed: Feed | None = None
    namesake: str | None = None
