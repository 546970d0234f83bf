"""
The rows that subscriptions begin with: read once for all who want the same, and only as
many at a time as memory is given for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from itertools import count
from weakref import finalize

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.changes import Row
from aerostack.core.selection import Bounds, Selection, Snapshot
from aerostack.core.views import Projection
from aerostack.interfaces import IChangeTracker
from aerostack.telling import wireFrame
from aerostack.wire.codec import encodeValue
from aerostack.wire.frames import SnapshotPage
from aerostack.wire.framing import Frame

PAGE_BYTES = 65536
"""About how many bytes of rows one frame carries."""


class Rows:
    """
    A snapshot, for all who asked for it.

    @ivar snapshot: It.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        # What has been encoded so far, and what encodes the rest.
        self._pages: dict[Hashable, tuple[list[Frame], Iterator[Frame]]] = {}

    def pages(self, topic: str, projection: Projection | None, pos: str) -> Iterator[Frame]:
        """
        The frames that carry the rows, at least one.  Each is encoded when somebody comes to
        it, and once for all who want the same.

        @param projection: The columns that are told, L{None} for all.
        @param pos: The position that the last page tells.
        """
        key = (topic, projection, pos)
        if key not in self._pages:
            self._pages[key] = ([], encodePages(self.snapshot.rows, topic, projection, pos))
        made, making = self._pages[key]
        for number in count():
            if number == len(made):
                page = next(making, None)
                if page is None:
                    return
                made.append(page)
            yield made[number]


def encodePages(
    rows: Sequence[Row], topic: str, projection: Projection | None, pos: str
) -> Iterator[Frame]:
    """
    Encode rows as frames of about L{PAGE_BYTES}.

    @return: At least one frame; the last carries C{pos}.
    """
    page: list[Raw] = []
    size = 0
    for row in rows:
        encoded = encodeValue(row if projection is None else projection.apply(row))
        if page and size + len(encoded) > PAGE_BYTES:
            yield wireFrame(SnapshotPage(topic=topic, rows=page, more=True), topic)
            page, size = [], 0
        page.append(Raw(encoded))
        size += len(encoded)
    yield wireFrame(SnapshotPage(topic=topic, rows=page, more=False, pos=pos), topic)


class Snapshots:
    """
    Reads rows for subscriptions.

    Whoever asks for the same while a read waits or is under way shares it: every snapshot
    knows its position, so that one is as good as another.

    @ivar tracker: Through which they are read.
    @ivar bounds: How much is read for one subscription.
    @ivar budget: About how many bytes of rows there may be for the next read to begin.
    @ivar held: How many there are.  Rows are there for as long as somebody refers to them.
    """

    def __init__(self, tracker: IChangeTracker, bounds: Bounds, budget: int = 67_108_864) -> None:
        self.tracker = tracker
        self.bounds = bounds
        self.budget = budget
        self.held = 0
        # Who waits for each read, begun or not, and those not begun in their order.
        self._asking: dict[tuple[str, Selection], list[Deferred[Rows]]] = {}
        self._waiting: deque[tuple[str, Selection]] = deque()

    def read(self, table: str, selection: Selection) -> Deferred[Rows]:
        """
        Read rows of a watched table.

        @return: A L{Deferred} of L{Rows}.  Fails as L{IChangeTracker.snapshot}.
        """
        wanted = (table, selection)
        asking: Deferred[Rows] = Deferred()
        if wanted in self._asking:
            self._asking[wanted].append(asking)
        else:
            self._asking[wanted] = [asking]
            self._waiting.append(wanted)
            self._go()
        return asking

    def _go(self) -> None:
        while self._waiting and self.held < self.budget:
            wanted = self._waiting.popleft()
            # How much it is will show; until then it counts for as much as it may be.
            most = 2 * self.bounds.size
            self.held += most
            reading = self.tracker.snapshot(*wanted, self.bounds)
            reading.addCallbacks(
                partial(self._received, wanted, most), partial(self._failed, wanted, most)
            )

    def _received(self, wanted: tuple[str, Selection], most: int, snapshot: Snapshot) -> None:
        asking = self._asking.pop(wanted)
        # As rows, and encoded.
        size = 2 * snapshot.size
        self.held += size - most
        rows = Rows(snapshot)
        finalize(rows, self._release, size).atexit = False
        for each in asking:
            each.callback(rows)
        self._go()

    def _release(self, size: int) -> None:
        self.held -= size
        self._go()

    def _failed(self, wanted: tuple[str, Selection], most: int, failure: Failure) -> None:
        asking = self._asking.pop(wanted)
        self.held -= most
        for each in asking:
            each.errback(failure)
        self._go()
