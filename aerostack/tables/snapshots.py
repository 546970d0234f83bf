"""
The rows that subscriptions begin with.  They are read once for all clients that want the same,
and only as many at a time as the budget of memory allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from itertools import count

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.rows.changes import Row
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.core.rows.views import Projection
from aerostack.interfaces.tracking import IChangeTracker
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.framing import Frame, viewFrame
from aerostack.protocol.serverframes import SnapshotPage

PAGE_BYTES = 65536
"""About how many bytes of rows one frame carries."""

READS = 4
"""How many reads are under way at once: a few more than there are database connections for them,
so that none of these is idle, and few enough for the next client's turn to come soon."""


class Rows:
    """
    The rows of a snapshot, for all clients that asked for it.

    @ivar snapshot: The snapshot.
    @ivar size: About how many bytes the rows take, as rows and encoded.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.size = 2 * snapshot.size
        # What has been encoded so far, and what encodes the rest.
        self._pages: dict[Hashable, tuple[list[Frame], Iterator[Frame]]] = {}

    def pages(
        self, topic: str, projection: Projection | None, pos: str, view: str = ""
    ) -> Iterator[Frame]:
        """
        The frames that carry the rows, at least one.  Each is encoded when the first client needs
        it, and once for all that want the same.

        @param projection: The columns in the frames; L{None} for all.
        @param pos: The position in the last frame.
        @param view: The name of the view; empty if it has none.
        """
        key = (topic, projection, pos, view)
        if key not in self._pages:
            pages = encodePages(self.snapshot.rows, topic, projection, pos)
            named = (viewFrame(page, view) for page in pages) if view else pages
            self._pages[key] = ([], named)
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


class Hold:
    """
    Keeps rows in memory for one client, for as long as the client needs them.

    @ivar rows: The rows.
    """

    def __init__(self, rows: Rows, client: Hashable, release: Callable[[Hold], None]) -> None:
        self.rows = rows
        self.client = client
        self._release: Callable[[Hold], None] | None = release

    def release(self) -> None:
        """
        Let go of the rows: the client does not need them any more.
        """
        release, self._release = self._release, None
        if release is not None:
            release(self)


class _Read:
    """
    A read that waits for its turn or is under way.

    @ivar asking: The callers that wait for it, and their clients.
    @ivar most: How many bytes of the budget it takes; 0 until it begins.
    """

    def __init__(self, table: str, selection: Selection) -> None:
        self.table = table
        self.selection = selection
        self.asking: dict[Deferred[Hold], Hashable] = {}
        self.most = 0


class Snapshots:
    """
    Reads rows for subscriptions.

    Clients that ask for the same rows while a read waits or is under way share it: every snapshot
    has its position, so one is as good as another.  Clients take turns, so that a client that
    asks for much delays only itself.  A read that no client wants any more does not begin.

    @ivar tracker: Reads the rows.
    @ivar bounds: How much is read for one subscription.
    @ivar budget: The next read begins while fewer bytes of rows than this are in memory.
    @ivar held: About how many bytes of rows are in memory.
    """

    def __init__(self, tracker: IChangeTracker, bounds: Bounds, budget: int = 67_108_864) -> None:
        self.tracker = tracker
        self.bounds = bounds
        self.budget = budget
        self.held = 0
        # All reads, by table and selection, and how many are under way.
        self._reads: dict[tuple[str, Selection], _Read] = {}
        self._running = 0
        self._isGoing = False
        # By client, its reads that wait; clients and reads are in the order of their turns.
        self._queues: dict[Hashable, dict[_Read, None]] = {}
        # How many bytes of rows each client needs, and how many holds the rows have.
        self._needs: Counter[Hashable] = Counter()
        self._holds: Counter[Rows] = Counter()

    def reload(self, bounds: Bounds) -> None:
        """
        Read no more rows than these bounds allow from now on.
        """
        self.bounds = bounds

    def read(self, table: str, selection: Selection, client: Hashable) -> Deferred[Hold]:
        """
        Read rows of a watched table.

        @param client: The client whose turn the read takes.
        @return: Fires with a L{Hold} on the rows.  The caller cancels it if it does not want them
            any more.  Fails as L{IChangeTracker.snapshot}.
        """
        read = self._reads.get((table, selection))
        if read is None:
            read = self._reads[table, selection] = _Read(table, selection)
        asking: Deferred[Hold] = Deferred(partial(self._leave, read))
        read.asking[asking] = client
        if not read.most:
            self._queues.setdefault(client, {})[read] = None
            self._go()
        return asking

    def _leave(self, read: _Read, asking: Deferred[Hold]) -> None:
        """Drop a caller that does not want the rows any more."""
        client = read.asking.pop(asking)
        if not read.most and client not in read.asking.values():
            self._takeOut(read, client)
            if not read.asking:
                del self._reads[read.table, read.selection]

    def _takeOut(self, read: _Read, client: Hashable) -> None:
        queue = self._queues[client]
        del queue[read]
        if not queue:
            del self._queues[client]

    def _go(self) -> None:
        if self._isGoing:
            # A read was answered at once; the loop below on the stack goes on with the next one.
            return
        self._isGoing = True
        try:
            self._beginSome()
        finally:
            self._isGoing = False

    def _beginSome(self) -> None:
        while self._running < READS and self.held < self.budget:
            # A client that takes its rows slowly does not get more meanwhile.
            most = self.budget // 4
            client = next((each for each in self._queues if self._needs[each] < most), None)
            if client is None:
                return
            read = next(iter(self._queues[client]))
            for each in set(read.asking.values()):
                self._takeOut(read, each)
            if client in self._queues:
                # The other clients have their turns first.
                self._queues[client] = self._queues.pop(client)
            self._begin(read)

    def _begin(self, read: _Read) -> None:
        # Its size is not known yet, so it takes as much of the budget as it may have.
        read.most = 2 * self.bounds.size
        self.held += read.most
        self._running += 1
        reading = self.tracker.snapshot(read.table, read.selection, self.bounds)
        reading.addCallbacks(partial(self._received, read), partial(self._failed, read))

    def _end(self, read: _Read) -> None:
        del self._reads[read.table, read.selection]
        self._running -= 1
        self.held -= read.most

    def _received(self, read: _Read, snapshot: Snapshot) -> None:
        self._end(read)
        rows = Rows(snapshot)
        # This comes before the callers get the rows, because some may release them at once.
        self.held += rows.size
        holds = [
            (asking, Hold(rows, client, self._release)) for asking, client in read.asking.items()
        ]
        self._holds[rows] = len(holds)
        for _, hold in holds:
            self._needs[hold.client] += rows.size
        if not holds:
            self.held -= rows.size
        for asking, hold in holds:
            if asking.called:
                # Another caller has cancelled it on getting the rows.
                hold.release()
            else:
                asking.callback(hold)
        self._go()

    def _release(self, hold: Hold) -> None:
        rows, client = hold.rows, hold.client
        self._needs[client] -= rows.size
        if self._needs[client] <= 0:
            del self._needs[client]
        self._holds[rows] -= 1
        if not self._holds[rows]:
            del self._holds[rows]
            self.held -= rows.size
            self._go()

    def _failed(self, read: _Read, failure: Failure) -> None:
        self._end(read)
        for asking in tuple(read.asking):
            if not asking.called:
                asking.errback(failure)
        self._go()
