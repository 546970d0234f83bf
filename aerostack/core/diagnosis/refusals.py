"""
The refusals of clients' requests, as an operator sees them: in a bounded number of groups, and in
few lines of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from aerostack.core.diagnosis.traces import Recent
from aerostack.core.limits.rates import TokenBucket
from aerostack.errors import RealtimeError

SHOWN = 300
"""How many characters are kept of each text that a client may have chosen."""

GROUPS = 100
"""How many groups of refusals are remembered for each project."""

BATCH = 200
"""How many groups of refusals a worker gathers before it only counts."""

QUIET = 60.0
"""After how many seconds the log has another line about refusals of the same kind.  The first such
line may come after half of that."""

LINES = 30
"""How many lines about refusals the log has at once.  One more may follow every L{EACH} seconds."""

EACH = 2.0


class Refusal(Struct, frozen=True, array_like=True):
    """
    A request that the daemon refused.

    @ivar at: When, milliseconds since the epoch.
    @ivar code: The code of the error.
    @ivar message: What was wrong and what to do.
    @ivar project: The project of the daemon that the client named; L{None} if it named none.
    @ivar origin: The page that a browser said it came from; L{None} without one.
    @ivar address: The client's address; L{None} for a client of a Unix socket.
    @ivar request: What was refused, such as C{GET /api/realtime} or C{subscribe orders}.
    @ivar userId: The user of the connection; L{None} if there is none.
    """

    at: int
    code: str
    message: str
    project: str | None
    origin: str | None
    address: str | None
    request: str
    userId: str | None = None


def refusalOf(
    at: float,
    error: RealtimeError,
    project: str | None,
    origin: str | None,
    address: str | None,
    request: str,
    userId: str | None = None,
) -> Refusal:
    """
    Note an error for a client.  What is long is cut.

    @param at: When, seconds since the epoch.
    """
    return Refusal(
        int(at * 1000),
        error.code,
        error.message[:SHOWN],
        project,
        None if origin is None else origin[:SHOWN],
        address,
        request[:SHOWN],
        userId,
    )


class Where(NamedTuple):
    """
    Tells groups of refusals apart.
    """

    project: str | None
    code: str
    origin: str | None
    address: str | None


def whereOf(refusal: Refusal) -> Where:
    """
    The group of a refusal.
    """
    return Where(refusal.project, refusal.code, refusal.origin, refusal.address)


@dataclass(slots=True)
class Group:
    """
    Refusals with the same L{Where}.

    @ivar since: When the first one was, milliseconds since the epoch.
    @ivar newest: The last one.
    """

    since: int
    newest: Refusal
    count: int = 0

    def add(self, refusal: Refusal, count: int) -> None:
        """
        Add some refusals, of which this is the last.  Those of another process may be older.
        """
        self.since = min(self.since, refusal.at)
        if refusal.at >= self.newest.at:
            self.newest = refusal
        self.count += count


class RefusalGroups:
    """
    The newest groups of each project, and of the requests that named no project.

    So a stranger who names one project, or none, displaces nothing of the other projects.
    """

    def __init__(self, most: int = GROUPS) -> None:
        """
        @param most: How many groups of each project are remembered.
        """
        self._most = most
        self._projects: dict[str | None, Recent[Where, Group]] = {}

    def note(self, refusal: Refusal, count: int = 1) -> None:
        """
        Add some refusals of one group.

        @param refusal: The last of them.
        """
        where = whereOf(refusal)
        groups = self._projects.get(where.project)
        if groups is None:
            groups = self._projects[where.project] = Recent(self._most)
        group = groups.get(where) or Group(refusal.at, refusal)
        group.add(refusal, count)
        groups.note(where, group)

    def keep(self, projects: Collection[str]) -> None:
        """
        Forget all projects but these.
        """
        for project in self._projects.keys() - {None, *projects}:
            del self._projects[project]

    def of(self, project: str) -> list[Group]:
        """
        The groups of a project, and those that named no project, newest first.
        """
        found = [group for name in (project, None) for group in self._projects.get(name, ())]
        return sorted(found, key=lambda group: -group.newest.at)


class RefusalBatch:
    """
    Refusals that one process gathers for another one.
    """

    def __init__(self, most: int = BATCH) -> None:
        """
        @param most: How many groups there may be; refusals of more groups are only counted.
        """
        self._most = most
        self._groups: dict[Where, Group] = {}
        self._more: Counter[str] = Counter()

    def note(self, refusal: Refusal) -> None:
        """
        Add a refusal.
        """
        where = whereOf(refusal)
        group = self._groups.get(where)
        if group is None:
            if len(self._groups) >= self._most:
                self._more[refusal.code] += 1
                return
            group = self._groups[where] = Group(refusal.at, refusal)
        group.add(refusal, 1)

    def take(self) -> tuple[list[tuple[Refusal, int]], dict[str, int]]:
        """
        Take out what was gathered.

        @return: The last refusal of each group and how many there were; and how many more there
            were, by code.
        """
        groups = [(group.newest, group.count) for group in self._groups.values()]
        more = dict(self._more)
        self._groups.clear()
        self._more.clear()
        return groups, more


class _Kind(NamedTuple):
    """Tells lines of the log apart."""

    project: str | None
    code: str
    origin: str | None


@dataclass(slots=True)
class _Line:
    """
    A line of the log.

    @ivar written: When it was written, seconds by the monotonic clock.
    @ivar newest: The last refusal of this kind.
    @ivar more: How many more there were since.
    """

    written: float
    newest: Refusal
    more: int


class Repeat(NamedTuple):
    """
    Refusals of one kind that came after a line about that kind.

    @ivar refusal: The last one.
    @ivar times: How many.
    @ivar seconds: In how many seconds.
    """

    refusal: Refusal
    times: int
    seconds: float


class RefusalLines:
    """
    Decides which refusals the log has a line of.

    Of each code, project and origin there is one line at once, and another one after L{QUIET}
    seconds that says how many more there were.  Strangers choose origins: so the number of lines is
    bounded, too, and with it the number of kinds that are remembered.
    """

    def __init__(self, now: float) -> None:
        """
        @param now: The monotonic time, seconds.
        """
        self._lines: dict[_Kind, _Line] = {}
        self._bucket = TokenBucket(1 / EACH, LINES, now)
        self._others = 0

    @property
    def isIdle(self) -> bool:
        """Whether L{due} has nothing to do, however long it waits."""
        return not (self._lines or self._others)

    def note(self, refusal: Refusal, count: int, now: float) -> bool:
        """
        Take some refusals of one kind.

        @param refusal: The last of them.
        @return: Whether the log gets a line of it now.
        """
        kind = _Kind(refusal.project, refusal.code, refusal.origin)
        line = self._lines.get(kind)
        if line is not None:
            line.newest = refusal
            line.more += count
            return False
        if self._bucket.take(now):
            self._others += count
            return False
        self._lines[kind] = _Line(now, refusal, count - 1)
        return True

    def noteOthers(self, count: int) -> None:
        """
        Take refusals of which only the number is known.
        """
        self._others += count

    def due(self, now: float) -> list[Repeat]:
        """
        Give what the log has to say by now about refusals after their first line.  Kinds that have
        not come again are forgotten.  The caller asks every L{QUIET} seconds.
        """
        return [
            repeat
            for kind, line in tuple(self._lines.items())
            if now - line.written >= (QUIET / 2 if line.more else QUIET)
            for repeat in self._end(kind, line, now)
        ]

    def all(self, now: float) -> list[Repeat]:
        """
        Give all of that, because the daemon stops.
        """
        lines = tuple(self._lines.items())
        return [repeat for kind, line in lines for repeat in self._end(kind, line, now)]

    def _end(self, kind: _Kind, line: _Line, now: float) -> Iterator[Repeat]:
        if line.more and not self._bucket.take(now):
            yield Repeat(line.newest, line.more, now - line.written)
            self._lines[kind] = _Line(now, line.newest, 0)
        else:
            self._others += line.more
            del self._lines[kind]

    def takeOthers(self) -> int:
        """
        Take out how many refusals are in no line.
        """
        others, self._others = self._others, 0
        return others
