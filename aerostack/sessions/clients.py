"""
Which process serves each client, if the daemon is one process.
"""

from __future__ import annotations

from zope.interface import implementer

from aerostack.interfaces.clients import IClients
from aerostack.sessions.interfaces import CommandedSession


@implementer(IClients)
class LocalClients:
    """
    The clients of this process.  No other process has any.
    """

    def opened(self, session: CommandedSession) -> None:
        return None

    def changed(self, session: CommandedSession) -> None:
        return None

    def closed(self, session: CommandedSession) -> None:
        return None
