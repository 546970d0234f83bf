"""
Which other nodes there are, and how each of them is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aerostack.core.nodes.reports import Report

LEASE = 10.0
"""After how many seconds without a report a node is silent."""

FRESH = 3.0
"""Seconds within which a node that runs is heard."""

REMEMBERED = 3600.0
"""For how many seconds a node that is silent is remembered.  It may be there all the same, and only
not reach the engine.  A node that stops says so, and is forgotten at once."""

UNKNOWN = "other nodes"
"""Stands for the nodes that a node without its engine cannot know."""


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Another node.

    @ivar run: The id of its run.
    @ivar heard: When it was last heard, seconds of this node's clock.
    @ivar isFresh: Whether its newest report was expected: it has not missed several of them.
    @ivar isSilent: Whether its lease is over.
    """

    run: str
    report: Report
    heard: float
    isFresh: bool
    isSilent: bool


class Membership:
    """
    What a node knows of the other nodes.

    A node has its name once no other node reports under it.  An earlier run that was killed does
    not report any more, but the engine lists it for a while.

    @ivar isCurrent: Whether the engine answers, so that this is how it is now.
    @ivar isNamed: Whether this node has its name.
    @ivar rival: The node that has this node's name already; L{None} if there is none.
    """

    def __init__(self, run: str, name: str, lease: float = LEASE) -> None:
        """
        @param run: The id of this node's run.
        @param name: This node's name.
        @param lease: After how many seconds without a report a node is silent.
        """
        self._lease = lease
        self.isCurrent = self.isNamed = False
        self.rival: Peer | None = None
        self._run = run
        self._name = name
        self._peers: dict[str, Peer] = {}
        self._names: dict[str, str] = {}
        # Since when the engine has answered without a break, when it did last, and when each run
        # was last not silent.
        self._since = self._readAt = 0.0
        self._alive: dict[str, float] = {}
        # When this node was asked first for each run of which it has never heard.
        self._asked: dict[str, float] = {}
        # What the first report of each node said that has this node's name.
        self._namesakes: dict[str, float] = {}

    def read(self, rows: Sequence[tuple[str, float, Report]], now: float) -> None:
        """
        Take what the engine knows.

        @param rows: The run of each node, seconds since it was heard, and its report.
        @param now: Seconds of the clock.
        """
        self._peers = {
            run: Peer(run, report, now - age, age <= FRESH, age > self._lease)
            for run, age, report in rows
            if run != self._run
        }
        if not self.isCurrent or now - self._readAt >= self._lease:
            self._since = now
        self.isCurrent, self._readAt = True, now
        self._alive = {
            **{run: at for run, at in self._alive.items() if now - at < REMEMBERED},
            **{run: now for run, peer in self._peers.items() if not peer.isSilent},
        }
        self._asked = {
            run: at
            for run, at in self._asked.items()
            if run not in self._alive and now - at < REMEMBERED
        }
        if not self.isNamed:
            self._contest(next((report.uptime for run, _, report in rows if run == self._run), 0.0))
        named = Counter([self._name, *(peer.report.name for peer in self._peers.values())])
        self._names = {
            run: name if named[name := peer.report.name] == 1 else f"{name}#{run[:6]}"
            for run, peer in self._peers.items()
        }

    def _contest(self, uptime: float) -> None:
        """
        Find out whether this node has its name.

        @param uptime: For how many seconds it has run.
        """
        namesakes = [peer for peer in self._peers.values() if peer.report.name == self._name]
        self.isNamed = True
        for peer in namesakes:
            before = self._namesakes.setdefault(peer.run, peer.report.uptime)
            if not peer.isFresh:
                continue
            if peer.report.uptime == before:
                # It was killed a moment ago, or will report itself in a moment.
                self.isNamed = False
            elif (peer.report.uptime + self._readAt - peer.heard, peer.run) > (uptime, self._run):
                self.isNamed, self.rival = False, peer

    def lost(self) -> None:
        """
        Note that the engine does not answer.
        """
        self.isCurrent = False

    @property
    def peers(self) -> list[Peer]:
        """The other nodes, in the order of their names."""
        return sorted(self._peers.values(), key=lambda peer: self._names[peer.run])

    @property
    def alive(self) -> list[Peer]:
        """The other nodes that are not silent, in the order of their names."""
        return [peer for peer in self.peers if not peer.isSilent]

    @property
    def silent(self) -> set[str]:
        """The names of the other nodes that are silent."""
        return {self.nameOf(peer.run) for peer in self._peers.values() if peer.isSilent}

    def isGone(self, run: str, now: float) -> bool:
        """
        Whether a run of a node has stopped, or was silent for so long that it counts as dead.
        Where the engine has lost its data, a node that runs is unknown for a moment; where it did
        not answer, for longer; and a node that was frozen knows nothing until it has asked again.

        @param now: Seconds of the clock.
        """
        if run == self._run or not self.isCurrent:
            return False
        if run in self._alive:
            isQuiet = self._readAt - self._alive[run] >= FRESH
        else:
            # A node that has just begun may not have reported itself yet.
            isQuiet = now - self._asked.setdefault(run, now) >= self._lease
        return isQuiet and now - self._readAt < FRESH and now - self._since >= self._lease

    @property
    def isAmbiguous(self) -> bool:
        """Whether another node has this node's name.  A killed run of this one is none."""
        return any(peer.isFresh and peer.report.name == self._name for peer in self.alive)

    def nameOf(self, run: str) -> str:
        """
        The name of a node.  If several nodes have one name, a part of the run's id follows.
        """
        return self._names.get(run, run)

    def usage(self) -> Mapping[str, tuple[int, int]]:
        """
        How many connections and how many subscriptions each project has at the other nodes
        together.
        """
        found: dict[str, tuple[int, int]] = {}
        for peer in self.alive:
            for project, (connections, subscriptions) in peer.report.usage.items():
                before = found.get(project, (0, 0))
                found[project] = before[0] + connections, before[1] + subscriptions
        return found
