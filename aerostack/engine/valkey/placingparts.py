"""
What the placing of publications needs of the other parts of the engine.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

from aerostack.engine.valkey.queues import Item
from aerostack.errors import RealtimeError


class Topics(Protocol):
    """
    What is to be known of the topics that the node follows.
    """

    def follows(self, topic: str) -> bool:
        """Whether the node follows a topic."""

    def isReady(self, topic: str) -> bool:
        """
        Whether a publication of a topic may be sent now.  If not, C{Placing.resume} is called
        later.
        """

    def verify(self, topic: str) -> None:
        """Attach a topic again whose log is gone."""

    def had(self, topic: str, tag: str) -> bool:
        """
        Whether the node has received a publication in a log of a topic that is lost.  If it comes
        again it is not placed again: subscribers would get it twice.
        """


class Filler(Protocol):
    """
    Brings kept messages into a log that other nodes have not brought yet.
    """

    def missing(self, topic: str, epoch: str, after: int, until: int) -> Deferred[list[Item]]:
        """
        Give the kept messages of a topic after one mark and up to another, oldest first, each with
        the mark before it.  If they are too many, the log is made anew at the later mark.
        """

    def owe(self, topic: str, mark: int) -> None:
        """
        Note that a kept message was not brought.
        """


class Values(Protocol):
    """
    The values of keyed topics, see L{aerostack.engine.valkey.keyed.ValkeyValues}.
    """

    def keysOf(self, topic: str) -> list[bytes]:
        """What the script gets as the keys of a topic's values."""

    def boundsOf(self, topic: str) -> tuple[bytes, ...]:
        """What the script gets as the bounds of a topic's values; L{UNKEYED} if it has none."""

    def full(self, topic: str, code: bytes) -> RealtimeError:
        """Make the error for a value for which there is no room, by what the script says."""

    def prepare(self, topic: str) -> Deferred[None]:
        """See that a topic has a log, and that its values were compared with the database."""
