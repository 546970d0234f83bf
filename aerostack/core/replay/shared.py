"""
Logs that several nodes share over a server, as plain data.

A place in a shared log is a L{Position} without a lineage.  The newest place of a log is its head.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication

LOST = "lost"
"""The server came back with another log, or with an older one: entries that nodes had are gone."""

EXPIRED = "expired"
"""The log had the entries that follow, and has them no longer."""


@dataclass(frozen=True, slots=True)
class SharedEntry:
    """
    One entry of a shared log.

    @ivar position: Its place, with its tag.
    @ivar before: The tag of the entry before it; see L{aerostack.core.replay.tags}.
    @ivar publication: What the subscribers get.
    """

    position: Position
    before: str
    publication: Publication

    @property
    def kept(self) -> bool:
        """Whether the history has the entry too."""
        return self.publication.mark is not None


@dataclass(frozen=True, slots=True)
class Placed:
    """
    What became of a publication.

    @ivar position: Its place in the log; L{None} if the log did not take it, because no node
        follows the topic.  A kept publication that the log has had before has the place of the
        head.
    @ivar repeated: Whether the log had the publication before, so that no node gets it again.
    """

    position: Position | None
    repeated: bool = False
