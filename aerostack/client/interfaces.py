"""
What the client wants of a connection, and what a connection wants of it.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import Interface

from aerostack.client.address import Address
from aerostack.client.closing import Closing


class ITransport(Interface):
    """
    One WebSocket to a daemon, from the attempt to open it to its end.
    """

    def open() -> None:
        """
        Begin.  Nothing happens before this is called.
        """

    def send(payload: bytes) -> None:
        """
        Send a text message.  May be called while it is open, that is between
        L{ITransportUser.opened} and L{ITransportUser.closeStarted} or L{ITransportUser.closed}.

        @param payload: UTF-8.
        """

    def close(code: int, reason: str) -> None:
        """
        Begin to close, as one should.  May be called while it is open.
        """

    def abort() -> None:
        """
        End it, in whatever state it is.
        """


class ITransportUser(Interface):
    """
    Whoever uses an L{ITransport}.
    """

    def opened() -> None:
        """
        The daemon has let us in.
        """

    def heard() -> None:
        """
        Something came, if not yet a whole message: the other side lives.
        """

    def received(payload: bytes) -> None:
        """
        A message came.
        """

    def closeStarted() -> None:
        """
        The client or the daemon sent a close frame, or the connection is dropped.  Nothing more
        can be sent.
        """

    def closed(closing: Closing) -> None:
        """
        It is over, or it could not be opened.  Called exactly once, last of all, for
        every wire on which L{ITransport.open} was called.
        """


OpenTransport = Callable[[Address, ITransportUser], ITransport]
"""Makes the L{ITransport} that leads to an address."""
