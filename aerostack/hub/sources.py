"""
Where the logs of topics come from, if the daemon is one process.
"""

from __future__ import annotations

from zope.interface import implementer

from aerostack.interfaces.logs import ILogSource


@implementer(ILogSource)
class LocalLogs:
    """
    The logs of this process.  Every publication comes here, so there is nothing to wait for.
    """

    def attach(self, topic: str) -> None:
        return None

    def detach(self, topic: str) -> None:
        return None

    def fill(self, topic: str) -> None:
        return None
