"""
The contract of what knows which process serves each client.
"""

from __future__ import annotations

from zope.interface import Interface


class IClients(Interface):
    """
    Lets one client have one session, on all processes of a machine.

    Each process closes the sessions of its own that the same client has superseded, before it calls
    this.  Sessions are L{aerostack.sessions.interfaces.CommandedSession}s of clients that brought a
    secret.
    """

    def opened(session):
        """
        Note that a client has opened a session here.  If the client has an earlier session at
        another process, and is the same user there, that session's presence waits for the client,
        and its C{yieldTo} is called.
        """

    def changed(session):
        """
        Note that a session's client is another user now.
        """

    def closed(session):
        """
        Note that a session is over.
        """
