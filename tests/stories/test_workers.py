"""
Subscribers of two workers get every change once and in order, as those of one process do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import parsePosition
from aerostack.core.rows.changes import INSERT, Change
from aerostack.databases.sqlite.journal import SQLiteJournal
from aerostack.interfaces.tracking import IChangeTracker
from aerostack.testing import Frame, MemoryClient, MemoryTracker, SynchronousDatabase, pipes
from aerostack.tracker.tracker import ChangeTracker
from aerostack.workers.frames import Codec
from aerostack.workers.hub.tables import TableRelay
from aerostack.workers.worker import watches
from tests.workers.joined import KINDS, TwinWorld

SIDES = 2

steps = st.one_of(
    # Rows of one transaction, and whether it ends.
    st.tuples(st.just("write"), st.integers(1, 3), st.booleans()),
    # A client does something at a worker.
    st.tuples(st.sampled_from(["come", "die", "read"]), st.integers(0, 3), st.integers(0, 1)),
    # The wire of a worker.
    st.tuples(st.sampled_from(["slow", "trickle", "fast"]), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("time"), st.integers(1, 4), st.just(0)),
)


class Client:
    """
    A client that comes back to one worker or the other.

    @ivar got: The numbers of the rows that it got.
    @ivar began: The number of the newest change when it subscribed first; L{None} before.
    """

    def __init__(self, side: int | None) -> None:
        """
        @param side: Which rows it wants; L{None} for all.
        """
        self.side = side
        self.got: list[int] = []
        self.began: int | None = None
        self._since: str | None = None
        self._client: MemoryClient | None = None

    def come(self, world: TwinWorld) -> None:
        """
        Connect, unless it is connected.
        """
        if self._client is None:
            self._client = world.connect()
            self._client.positions = True
            more: dict[str, Any] = {} if self.side is None else {"filter": {"side": self.side}}
            if self._since is not None:
                more["since"] = self._since
            self._client.send(type="subscribe", topic="orders", **more)

    def die(self) -> None:
        """
        Lose the connection.
        """
        if self._client is not None:
            # What has come until now, it has.
            self.read()
            self._client.die()
            self._client = None

    def ping(self) -> None:
        """
        Stay connected.
        """
        if self._client is not None:
            self._client.session.heard()

    def read(self) -> None:
        """
        Take the frames that came.
        """
        if self._client is not None:
            for frame in self._client.take():
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame["type"] == "subscribed":
            assert frame.get("recovered") is not False, frame
            if self.began is None:
                position = parsePosition(frame["pos"])
                assert position is not None
                self.began = position.mark
        elif frame["type"] == "db_change":
            self.got.append(frame["data"]["id"])
        else:
            assert frame["type"] == "commit", frame
        self._since = frame.get("pos", self._since)

    def wanted(self, rows: list[tuple[int, int]]) -> list[int]:
        """
        The rows that it is to have got.

        @param rows: The number of each change and that of its row.
        """
        return [
            number
            for seq, number in rows
            if self.began is not None
            and seq > self.began
            and (self.side is None or number % SIDES == self.side)
        ]


class NotingRelay(TableRelay):
    """
    A relay that notes the number of each change, and that of its row.
    """

    def __init__(self, clock: Clock, tracker: IChangeTracker) -> None:
        super().__init__(clock, Codec(KINDS), tracker)
        self.rows: list[tuple[int, int]] = []

    def changed(self, changes: Sequence[Change]) -> Any:
        self.rows.extend((change.seq, change.data["id"]) for change in changes)
        return super().changed(changes)


class MemoryHub:
    """
    A hub whose tracker is in memory.
    """

    def __init__(self) -> None:
        self.tracker: Any = MemoryTracker()
        self.relay = NotingRelay(Clock(), self.tracker)
        self.tracker.listener = self.relay
        self._written = 0

    def write(self, count: int, ends: bool) -> None:
        """
        Write rows.
        """
        first = self._written + 1
        self._written += count
        changes = [
            Change(number, "orders", INSERT, {"id": number, "side": number % SIDES}, None, 7)
            for number in range(first, first + count)
        ]
        self.tracker.change(*changes, last=ends)

    def tick(self, seconds: float) -> None:
        """
        Let time pass.
        """


class SQLiteHub:
    """
    A hub with a real journal.
    """

    def __init__(self, path: str) -> None:
        self.database = SynchronousDatabase(path)
        self._writer = SynchronousDatabase(path)
        self._writer.connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, side INT)")
        self._clock = Clock()
        self.tracker: IChangeTracker = ChangeTracker(self._clock, self.database, SQLiteJournal())
        self.relay = NotingRelay(self._clock, self.tracker)
        self.tracker.start(self.relay)
        # Every row is recorded.
        self.tracker.watch("orders")
        self.tick(0.2)

    def write(self, count: int, ends: bool) -> None:
        """
        Write rows in one transaction.
        """
        execute = self._writer.connection.execute
        execute("BEGIN")
        for _ in range(count):
            execute("INSERT INTO orders (side) SELECT (count(*) + 1) % 2 FROM orders")
        execute("COMMIT")
        if ends:
            self.tick(0.2)

    def tick(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self._clock.pump([0.2] * int(seconds / 0.2 + 1))

    def close(self) -> None:
        """
        Close the database.
        """
        self.tracker.stop()
        self.database.close()
        self._writer.close()


class TwoWorkersTests(SynchronousTestCase):
    """
    Tests of two workers at one hub.
    """

    def story(self, hub: Any, steps: list[tuple[str, int, int]]) -> None:
        """
        Let things happen, and check what the clients have got in the end.
        """
        self.patch(pipes, "CHUNK", 50)
        self.patch(watches, "GRACE", 3.0)
        worlds = [TwinWorld(number, hub.relay, hub.tracker) for number in (1, 2)]
        clients = [Client(side) for side in (None, 0, 1, None)]
        for what, which, more in steps:
            if what == "write":
                hub.write(which, more)
            elif what == "come":
                clients[which].come(worlds[more])
            elif what in ("die", "read"):
                getattr(clients[which], what)()
            elif what == "slow":
                worlds[which].wire.isSlow = True
            elif what == "trickle":
                worlds[which].wire.trickle()
            elif what == "fast":
                worlds[which].wire.hurry()
                worlds[which].turn()
            else:
                for _ in range(which):
                    hub.tick(1)
                    for client in clients:
                        client.ping()
                    for world in worlds:
                        world.advance(1)
        hub.write(1, True)
        for _ in range(2):
            # Those who wait for a table come to it with the first round.
            hub.tick(2)
            for world in worlds:
                world.wire.hurry()
                world.turn()
        for client in clients:
            client.read()
            client.come(worlds[0])
        hub.tick(2)
        worlds[0].turn()
        rows = hub.relay.rows
        self.assertEqual([number for _, number in rows], list(range(1, len(rows) + 1)))
        for client in clients:
            client.read()
            self.assertEqual(client.got, client.wanted(rows))

    @settings(max_examples=150, deadline=None)
    @given(st.lists(steps, max_size=40))
    def test_memory(self, steps: list[tuple[str, int, int]]) -> None:
        """
        Clients get each change of their views once and in order, whichever worker they come back
        to, however slow the channel is.
        """
        self.story(MemoryHub(), steps)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(steps, max_size=25))
    def test_journal(self, steps: list[tuple[str, int, int]]) -> None:
        """
        The same holds on a real journal.
        """
        hub = SQLiteHub(self.mktemp())
        try:
            self.story(hub, steps)
        finally:
            hub.close()
