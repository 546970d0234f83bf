"""
What the parts of a connection need of each other: the transport, and its user.
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
        Begin to connect.  A transport does nothing before this call.
        """

    def send(payload: bytes) -> None:
        """
        Send a text message.  Callers may do so while the transport is open: from
        L{ITransportUser.opened} until L{ITransportUser.closeStarted} or L{ITransportUser.closed}.

        @param payload: UTF-8.
        """

    def close(code: int, reason: str) -> None:
        """
        Begin the closing handshake.  Callers may do so while the transport is open.
        """

    def abort() -> None:
        """
        End the transport at once, whatever its state.
        """


class ITransportUser(Interface):
    """
    What uses an L{ITransport}.
    """

    def opened() -> None:
        """
        The daemon has accepted the connection.
        """

    def heard() -> None:
        """
        Bytes came, perhaps not yet a whole message: the daemon is alive.
        """

    def received(payload: bytes) -> None:
        """
        A message came.
        """

    def closeStarted() -> None:
        """
        The client or the daemon sent a close frame, or the transport dropped the connection.
        The client can send nothing more.
        """

    def closed(closing: Closing) -> None:
        """
        The transport has ended, or could not be opened.  A transport on which L{ITransport.open}
        was called makes this call exactly once, as its last one.
        """


OpenTransport = Callable[[Address, ITransportUser], ITransport]
"""Makes the L{ITransport} that leads to an address."""
