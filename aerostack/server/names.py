"""
The names of nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from socket import gethostname

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from aerostack.core.nodes.membership import Membership
from aerostack.core.nodes.reports import NAME_LENGTH
from aerostack.settings.settings import Config

PATIENCE = 5.0
"""For how many seconds a daemon that starts waits for the engine, before it says that it is ready.
It is more than a node takes that has the name of one that was killed a moment ago."""


def nameOf(config: Config) -> str:
    """
    The name of the daemon among those that share an engine.
    """
    return config.server.name or gethostname()[:NAME_LENGTH]


class Naming:
    """
    Ends a daemon that was started with the name of another one that runs.  Both would take
    each other's streams for those of an earlier run.
    """

    def __init__(
        self,
        clock: IReactorTime,
        membership: Membership,
        name: str,
        failed: Callable[[str], object],
    ) -> None:
        """
        @param membership: What this node knows of the others.
        @param name: This node's name.
        @param failed: Ends the daemon.  It gets the reason.
        """
        self._clock = clock
        self._membership = membership
        self._name = name
        self._failed = failed
        self._isRefused = False
        self._waiting: dict[Deferred[None], IDelayedCall] = {}

    def changed(self) -> None:
        """
        Go by what is known now of the other nodes.
        """
        if self._membership.isNamed:
            for waited in tuple(self._waiting):
                self._letGo(waited)
        elif self._membership.rival is not None and not self._isRefused:
            self._isRefused = True
            self._failed(
                f"another daemon called {self._name!r} runs on this engine. Give each daemon a"
                " server.name of its own, or stop the other one first."
            )

    def whenKnown(self) -> Deferred[None]:
        """
        Wait until this node has its name, or the engine has not answered for L{PATIENCE}.

        @return: It never fires if another node has the name.
        """
        waited: Deferred[None] = Deferred()
        self._waiting[waited] = self._clock.callLater(PATIENCE, self._letGo, waited)
        if self._membership.isNamed:
            self._letGo(waited)
        return waited

    def _letGo(self, waited: Deferred[None]) -> None:
        timer = self._waiting.pop(waited)
        if timer.active():
            timer.cancel()
        if not self._isRefused:
            waited.callback(None)
