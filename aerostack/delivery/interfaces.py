"""
How the sending half of a session delivers, and what it needs of the recovery.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol, TypeVar

from aerostack.delivery.catchup import Catchup

Client = TypeVar("Client", contravariant=True)


class Delivery(Enum):
    """
    What becomes of a frame that is delivered to a client.
    """

    DIRECT = "direct"
    """It goes to the socket."""
    WAITING = "waiting"
    """The socket is full, or the client still gets a topic's past: the frame may have to wait."""
    SHUT = "shut"
    """The connection is over.  The frame is dropped."""


class IRecovery(Protocol[Client]):
    """
    What brings a client up to date when it cannot take all that there is at once.

    C{Client} is L{aerostack.delivery.outbound.Outbound}.
    """

    def pace(self, outbound: Client) -> None:
        """
        Call C{outbound.sendPast} when it is the client's turn.
        """

    def readOn(self, outbound: Client, topic: str, catchup: Catchup) -> None:
        """
        Read a topic's log on, from where a client that was too slow has fallen behind.
        """

    def syncAgain(self, outbound: Client, topic: str) -> None:
        """
        Call C{outbound.sync}, because the client has missed changes of a topic's members.
        """
