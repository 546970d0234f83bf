"""
How much waits for slow readers, of all clients together.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """
    What may wait for many readers at once, with a size in bytes.

    @ivar holders: For how many readers it waits.
    """

    holders: int

    def __len__(self) -> int: ...


R = TypeVar("R")

PROJECT = 67_108_864
"""How many bytes may wait for all slow readers of a project."""

DAEMON = 134_217_728
"""How many bytes may wait for the slow readers of all projects."""


class Backlog(Generic[R]):
    """
    What waits for the slow readers of one project.  A frame that waits for many of them counts
    once, because it is in memory once.

    @ivar size: How many bytes wait.
    """

    def __init__(self, all: Backlogs[R]) -> None:
        self.size = 0
        self._all = all
        # In the order in which they stopped reading.
        self._readers: dict[R, None] = {}

    def count(self, frame: Waiting, sign: int) -> None:
        """
        Count a frame that waits for one reader more, or one less.

        @param sign: 1 or -1.
        """
        before = frame.holders
        frame.holders = before + sign
        if not before or not frame.holders:
            self.size += sign * len(frame)
            self._all.size += sign * len(frame)

    def stops(self, reader: R) -> None:
        """
        Note that a reader's socket takes no more.
        """
        self._readers.setdefault(reader)

    def goesOn(self, reader: R) -> None:
        """
        Note that a reader's socket has taken everything, or that the reader is gone.
        """
        self._readers.pop(reader, None)

    @property
    def readers(self) -> int:
        """How many readers' sockets take no more."""
        return len(self._readers)

    def slowest(self) -> R | None:
        """
        The reader whose connection has to end because too much waits; L{None} for none.
        """
        crowded = self if self.size > self._all.project else self._all.mostCrowded()
        return None if crowded is None else next(iter(crowded._readers), None)


class Backlogs(Generic[R]):
    """
    The backlogs of all projects.

    @ivar project: How many bytes may wait in one of them.
    @ivar projects: The backlogs by project.
    @ivar size: How many bytes wait in all of them.
    """

    def __init__(self, project: int = PROJECT, daemon: int = DAEMON) -> None:
        """
        @param daemon: How many bytes may wait in all of them.
        """
        self.project = project
        self.size = 0
        self._daemon = daemon
        self.projects: dict[str, Backlog[R]] = {}

    def of(self, project: str) -> Backlog[R]:
        """
        The backlog of a project.
        """
        backlog = self.projects.get(project)
        if backlog is None:
            backlog = self.projects[project] = Backlog(self)
        return backlog

    def mostCrowded(self) -> Backlog[R] | None:
        """
        The backlog in which the most waits, if too much waits in all of them together.
        """
        if self.size <= self._daemon:
            return None
        return max(self.projects.values(), key=lambda backlog: backlog.size)
