"""
Places in a topic's log.

Every frame of the log has a position.  A client brings its last one back when it returns.  The
client does not look into it.  For the daemon it has two parts: the frame's place in a log in the
memory of this run, and its place in the database, which outlives the run.

An operator can restore a database to an older state.  So a position also says whether the client
has seen a kept message there.  If the database lacks that message, it is not the database that
the client knows.

Nodes that share their logs over a server have the same trouble with that server: it can come back
with older logs, and go on counting from there.  So a position in a shared log also has the tag of
its entry (see L{aerostack.core.replay.tags}).  Another entry at the same place has another tag.
"""

from __future__ import annotations

import re

from msgspec import Struct

_POSITION = re.compile(
    r"(?P<epoch>[0-9a-z]{1,24})-(?P<offset>[0-9a-f]{0,15})-(?P<mark>[0-9a-f]{1,15})(?P<seen>k?)"
    r"(?:\.(?P<tag>[0-9a-z]{1,24}))?(?:-(?P<lineage>[0-9a-z]{1,24}))?(?P<within>\+)?"
)


class Position(Struct, frozen=True, gc=False):
    """
    A place in a topic's log, right behind one of its entries.

    @ivar epoch: The epoch of the L{aerostack.core.replay.log.TopicLog} that counted the
        offset.
    @ivar offset: The number of the entry in that log; L{None} where the entry was
        read from the database and is known by its mark alone.
    @ivar mark: The newest kept entry up to here: a message's C{created_at}, or on a
        table's topic the number of a change in the journal.
    @ivar lineage: The name of the journal that numbered the change; empty on other topics.
    @ivar within: Whether the entry is a part of a transaction that goes on behind it.
    @ivar seen: Whether the mark is that of a kept message.  If not, the mark is a time, and no
        message was kept between the newest message and that time.
    @ivar tag: The tag of the entry in a log that several nodes share; empty before its first
        entry, and in a log that is one daemon's own.
    """

    epoch: str
    offset: int | None
    mark: int
    lineage: str = ""
    within: bool = False
    seen: bool = False
    tag: str = ""

    def __str__(self) -> str:
        offset = "" if self.offset is None else f"{self.offset:x}"
        text = f"{self.epoch}-{offset}-{self.mark:x}{'k' if self.seen else ''}"
        if not (self.tag or self.lineage or self.within):
            return text
        if self.tag:
            text = f"{text}.{self.tag}"
        if self.lineage:
            text = f"{text}-{self.lineage}"
        return f"{text}+" if self.within else text


def parsePosition(text: str) -> Position | None:
    """
    Read a position that a client brings back.

    @return: L{None} if the daemon makes no such positions.
    """
    found = _POSITION.fullmatch(text)
    if found is None:
        return None
    offset = found["offset"]
    return Position(
        found["epoch"],
        int(offset, 16) if offset else None,
        int(found["mark"], 16),
        found["lineage"] or "",
        found["within"] is not None,
        bool(found["seen"]),
        found["tag"] or "",
    )
