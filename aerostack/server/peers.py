"""
What the node says of itself to the others, and what it makes of what the others say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from aerostack import __version__
from aerostack.core.nodes.comparing import describe, differences, digest
from aerostack.core.nodes.membership import Peer
from aerostack.core.nodes.reports import Report, encodeDescription
from aerostack.sessions.shares import Shares
from aerostack.settings.settings import Config

if TYPE_CHECKING:
    from aerostack.engine.valkey.nodes import ValkeyNodes


class Peers:
    """
    The other nodes on the engine.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, config: Config, nodes: ValkeyNodes, shares: Shares, run: str
    ) -> None:
        """
        @param nodes: Reaches the other nodes.
        @param shares: Counts the connections and subscriptions of this node.
        @param run: The id of this run.
        """
        self._clock = clock
        self._config = config
        self._nodes = nodes
        self._shares = shares
        self._run = run
        self._database = ""
        self._began = clock.seconds()
        self._lag = 0.0
        # What the log has said, by the runs of nodes.
        self._said: dict[str, list[str]] = {}

    def start(self, database: str) -> None:
        """
        Begin to report.

        @param database: Distinguishes the database from every other.
        """
        self._database = database
        self.reload(self._config)
        self._nodes.start(self._report, lambda: self._encoded)

    def reload(self, config: Config) -> None:
        """
        Describe another configuration from now on.
        """
        self._config = config
        self._description = describe(config, self._database, __version__)
        self._digest = digest(self._description)
        self._encoded = encodeDescription(self._description)

    def _report(self, lag: float) -> Report:
        shares, self._lag = self._shares, lag
        return Report(
            self._nodes.name,
            __version__,
            round(self._clock.seconds() - self._began, 3),
            round(lag, 3),
            shares.places,
            self._digest,
            {
                name: (shares.connections[name], shares.subscriptions[name])
                for name, project in self._config.projects.items()
                if project.connections is not None or project.subscriptions is not None
                if shares.connections[name] or shares.subscriptions[name]
            },
        )

    def changed(self) -> None:
        """
        Log the differences of each node that has come, or whose configuration has changed.
        """
        said, self._said = self._said, {}
        for peer in self._nodes.membership.alive:
            found = self._said[peer.run] = self.differences(peer)
            if found and found != said.get(peer.run):
                self.log.warn(
                    "{node} {differences}; clients are served differently there",
                    node=self._nodes.membership.nameOf(peer.run),
                    differences=", and ".join(found),
                )

    # For operators

    def differences(self, peer: Peer) -> list[str]:
        """
        The differences between a node and this one; see
        L{aerostack.core.nodes.comparing.differences}.
        """
        if peer.report.description == self._digest:
            return []
        there = self._nodes.descriptions.get(peer.report.description)
        return [] if there is None else differences(self._description, there)

    def notice(self) -> str | None:
        """
        Sentences about nodes that an operator should look at; L{None} if all is well.
        """
        return " ".join(self._sentences()) or None

    def _sentences(self) -> Iterator[str]:
        membership, now = self._nodes.membership, self._clock.seconds()
        if self._nodes.refusal is not None:
            yield (
                "The other daemons cannot be asked, because the engine refuses the channels:"
                f" {self._nodes.refusal}."
            )
        if membership.isAmbiguous:
            yield (
                f"Another daemon is called {self._nodes.name}, too; give each of them a server.name"
                " of its own."
            )
        for peer in membership.peers:
            name = membership.nameOf(peer.run)
            if peer.isSilent and membership.isCurrent:
                yield f"{name} was not heard for {now - peer.heard:.0f} s."
            elif found := self.differences(peer):
                yield f"{name} {', and '.join(found)}."

    def shown(self) -> list[dict[str, Any]]:
        """
        What an operator sees of all nodes, this one first.
        """
        membership, now = self._nodes.membership, self._clock.seconds()
        here = self._report(self._lag)
        return [
            {**_shown(here, self._nodes.name, self._run), "state": "here", "heard": 0.0},
            *(
                {
                    **_shown(peer.report, membership.nameOf(peer.run), peer.run),
                    "state": self._state(peer),
                    "heard": round(max(0.0, now - peer.heard), 1),
                    "differences": self.differences(peer),
                }
                for peer in membership.peers
            ),
        ]

    def _state(self, peer: Peer) -> str:
        if not self._nodes.membership.isCurrent:
            return "unknown"
        return "silent" if peer.isSilent else "up"


def _shown(report: Report, name: str, run: str) -> dict[str, Any]:
    return {
        "name": name,
        "run": run,
        "version": report.version,
        "uptime": report.uptime,
        "lag": report.lag,
        "connections": report.connections,
    }
