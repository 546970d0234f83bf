"""
How the sending half of a session delivers, and what it needs of the recovery.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.delivery.catchup import Catchup
from aerostack.interfaces.messaging import ISubscriber
from aerostack.protocol.framing import Frame
from aerostack.protocol.serverframes import ServerFrame

Client = TypeVar("Client", contravariant=True)


@implementer(ISubscriber)
class Recipient:
    """
    A subscriber that gets a topic's past, as the recovery sees it: a session, or a named view of
    one.  L{aerostack.delivery.outbound.Outbound} describes what is not described here.
    """

    __slots__ = ()

    def deliver(self, frame: Frame, /) -> None:
        """See L{ISubscriber.deliver}."""
        raise NotImplementedError

    def reauthorize(self, topic: str | None = None) -> None:
        """See L{ISubscriber.reauthorize}."""
        raise NotImplementedError

    @property
    def reader(self) -> ISubscriber:
        """The client: the session, also for a named view."""
        raise NotImplementedError

    @property
    def members(self) -> Any:
        """The L{aerostack.delivery.outbound.Outbound} that gets the members of the topic with
        this subscription; L{None} if the client gets them with another one."""
        raise NotImplementedError

    @property
    def isDirect(self) -> bool:
        """Whether frames go to the socket at once."""
        raise NotImplementedError

    def send(self, frame: ServerFrame) -> None:
        """Send a frame to this client alone."""
        raise NotImplementedError

    def catchUp(self, topic: str, catchup: Catchup) -> None:
        """Hold back what is live on a topic, until the client has the topic's past."""
        raise NotImplementedError

    def catchingUp(self, topic: str) -> Catchup | None:
        """What is still to be sent of a topic's past, if anything is."""
        raise NotImplementedError

    def endCatchUp(self, topic: str) -> None:
        """Send no more of a topic's past."""
        raise NotImplementedError

    def writePast(self, catchup: Catchup, frames: Iterable[Frame]) -> Deferred[None]:
        """Send a part of a topic's past when it is the client's turn."""
        raise NotImplementedError

    def writeHeld(self, catchup: Catchup) -> Deferred[None]:
        """Send the live frames that were held back."""
        raise NotImplementedError

    def awaitTurn(self, catchup: Catchup) -> Deferred[None]:
        """Wait until the client can take more."""
        raise NotImplementedError

    def giveUp(self) -> None:
        """Close, because the client does not take what there is for it."""
        raise NotImplementedError

    def fail(self, failure: Failure) -> None:
        """End the connection, because the daemon failed."""
        raise NotImplementedError


class NamedViews(Protocol):
    """
    The named views of one client.
    """

    def __len__(self) -> int:
        """How many there are."""

    def recipient(self, key: str) -> Recipient | None:
        """
        Find the view whose frames have a C{topic}.
        """


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

    def readOn(self, recipient: Recipient, topic: str, catchup: Catchup) -> None:
        """
        Read a topic's log on, from where a client that was too slow has fallen behind.
        """

    def syncAgain(self, outbound: Client, topic: str) -> None:
        """
        Call C{outbound.sync}, because the client has missed changes of a topic's members.
        """
