"""
The workers' links, as the parts of the hub see them.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred


class Link(Protocol):
    """
    Carries messages to one worker, in order.  L{aerostack.workers.channel.Channel} is one.
    """

    @property
    def unread(self) -> int:
        """How many bytes the worker has not taken."""

    def send(self, message: Struct) -> None:
        """Send a message."""

    def sendFrame(self, frame: bytes) -> None:
        """Send a message that is encoded for several links."""

    def whenDrained(self) -> Deferred[None] | None:
        """Ask when the worker has read enough for more, for a caller that can wait."""
