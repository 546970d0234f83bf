"""
What the daemon tells subscribers of a table besides its changes: whether changes can be read,
and whether the rows that they have may look different.
"""

from __future__ import annotations

from typing import NamedTuple

from aerostack.core.topics.topics import Topic
from aerostack.protocol.serverframes import Status


class Outage(NamedTuple):
    """
    A time in which the daemon cannot read changes.

    @ivar reason: Why, as one sentence without an address, an account or SQL.
    @ivar since: When it began, milliseconds since the epoch.
    """

    reason: str
    since: int


def feedStatus(topic: Topic, outage: Outage | None) -> Status:
    """
    The frame that says whether changes can be read.

    @param outage: L{None} if they can.
    """
    canonical = topic.canonical
    if outage is None:
        return Status(topic=canonical, feed="up", message="Changes are read again.")
    return Status(topic=canonical, feed="down", message=outage.reason, since=outage.since)


def tableAltered(topic: Topic) -> Status:
    """
    The frame that says that a table's columns were altered.
    """
    return Status(
        topic=topic.canonical,
        table="altered",
        message=f"Columns of the table {topic.table!r} were added or changed; rows that were there"
        " may look different: ask for them again.",
    )


def tableBack(topic: Topic) -> Status:
    """
    The frame that says that the daemon follows a table again that it had lost.
    """
    return Status(
        topic=topic.canonical,
        table="back",
        message=f"The table {topic.table!r} is followed again; ask for its rows again.",
    )
