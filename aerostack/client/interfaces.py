"""
What the client wants of a connection, and what a connection wants of it.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import Interface

from aerostack.client.address import Address
from aerostack.client.closing import Ending


class IWire(Interface):
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
        L{IWireUser.opened} and L{IWireUser.closing} or L{IWireUser.closed}.

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


class IWireUser(Interface):
    """
    Whoever uses an L{IWire}.
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

    def closing() -> None:
        """
        The client or the daemon sent a close frame, or the connection is dropped.  Nothing more
        can be sent.
        """

    def closed(ending: Ending) -> None:
        """
        It is over, or it could not be opened.  Called exactly once, last of all, for
        every wire on which L{IWire.open} was called.
        """


OpenWire = Callable[[Address, IWireUser], IWire]
"""Makes the L{IWire} that leads to an address."""
