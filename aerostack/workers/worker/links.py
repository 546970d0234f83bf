"""
The link to the hub, as the parts of a worker see it.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred


class HubLink(Protocol):
    """
    Carries messages to the hub, in order.  L{aerostack.workers.channel.Channel} is one.
    """

    def send(self, message: Struct) -> None:
        """Send a message."""

    def ask(self, question: Struct, timeout: float | None) -> Deferred[Any]:
        """Send a question; see L{aerostack.workers.channel.Channel.ask}."""
