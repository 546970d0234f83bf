"""
Tests for L{aerostack.admin.taps}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin import taps
from aerostack.admin.taps import Tap, Taps
from aerostack.auth.authenticator import Credentials
from aerostack.core.rows.columns import ColumnType
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.errors import RealtimeError
from aerostack.protocol.framing import joinFrames, textFrame
from aerostack.settings.tables import TableConfig
from aerostack.testing import SECRET_KEY, World

ROOM = Topic("chat/a", "p")
ORDERS = tableTopic("orders", "p")


class MemoryReader:
    """
    An operator that reads lines.

    @ivar tap: The tap that the lines come from.
    @ivar appetite: After how many lines the operator pauses; L{None} for never.
    """

    def __init__(self, world: World, topic: Topic = ROOM) -> None:
        identity = world.authenticator.identify(Credentials(key=SECRET_KEY), 0)
        self.tap = Tap(identity, topic, self)
        self.appetite: int | None = None
        self.lines: list[Any] = []
        self.finished = False

    def write(self, line: bytes) -> None:
        assert not self.finished
        assert line.index(b"\n") == len(line) - 1 and b"\r" not in line
        self.lines.append(json.loads(line))
        if self.appetite is not None:
            self.appetite -= 1
            if not self.appetite:
                self.tap.pause()

    def finish(self) -> None:
        self.finished = True

    def take(self) -> list[Any]:
        """
        Give what has come since the last call: the data of frames, and the type of other lines.
        """
        lines, self.lines = self.lines, []
        return [line.get("n", line.get("count", line["type"])) for line in lines]


def frame(number: int, size: int = 0) -> Any:
    """
    Make a frame with a number.
    """
    return textFrame(json.dumps({"type": "event", "n": number, "padding": "x" * size}).encode())


class WatcherTests(SynchronousTestCase):
    """
    Tests for L{Tap}.
    """

    def setUp(self) -> None:
        self.reader = MemoryReader(World())
        self.tap = self.reader.tap

    def test_lines(self) -> None:
        """
        Each frame is one line, even if several come together.
        """
        self.tap.deliver(joinFrames([frame(1), frame(2)]))
        self.tap.deliver(textFrame(b'{"type": "event",\r\n"n":\n3}'))
        self.assertEqual(self.reader.take(), [1, 2, 3])

    def test_paused(self) -> None:
        """
        Frames wait in their order while the operator's connection is full.
        """
        self.tap.pause()
        for number in range(5):
            self.tap.deliver(frame(number))
        self.assertEqual(self.reader.take(), [])
        self.reader.appetite = 2
        self.tap.resume()
        self.assertEqual(self.reader.take(), [0, 1])
        self.tap.deliver(frame(5))
        self.reader.appetite = None
        self.tap.resume()
        self.assertEqual(self.reader.take(), [2, 3, 4, 5])

    def test_room(self) -> None:
        """
        Lines that the operator has read make room for more.
        """
        self.patch(taps, "QUEUE", 500)
        for number in range(10):
            self.tap.pause()
            self.tap.deliver(frame(number, 300))
            self.tap.resume()
        self.assertEqual(self.reader.take(), list(range(10)))

    def test_skipped(self) -> None:
        """
        Frames that do not fit are left out, and so are all frames until a line says how many.
        """
        self.patch(taps, "QUEUE", 500)
        self.tap.pause()
        for number, size in enumerate((100, 100, 1000, 0, 1000)):
            self.tap.deliver(frame(number, size))
        self.reader.appetite = 1
        self.tap.resume()
        self.tap.deliver(frame(5))
        self.assertEqual(self.reader.take(), [0])
        self.reader.appetite = None
        self.tap.resume()
        self.assertEqual(self.reader.take(), [1, 4])
        self.tap.deliver(frame(6))
        self.assertEqual(self.reader.take(), [6])
        self.tap.pause()
        self.tap.resume()
        self.assertEqual(self.reader.take(), [])

    def test_beat(self) -> None:
        """
        An operator with unread lines gets no sign of life.
        """
        self.tap.pause()
        self.tap.beat()
        self.tap.resume()
        self.assertEqual(self.reader.take(), [])
        self.tap.beat()
        self.assertEqual(self.reader.take(), ["ping"])

    def test_finish(self) -> None:
        """
        The lines that wait are written before the end.
        """
        self.tap.pause()
        self.tap.deliver(frame(1))
        self.tap.finish()
        self.assertEqual((self.reader.take(), self.reader.finished), ([1], True))


class WatchersTests(SynchronousTestCase):
    """
    Tests for L{Taps}.
    """

    def setUp(self) -> None:
        self.world = World(access={"orders": TableConfig(hidden=("side",))})
        self.taps = Taps(self.world.clock, self.world.hub, self.world.feeds)
        self.taps.startService()
        self.addCleanup(self.taps.stopService)

    def watch(self, topic: Topic = ROOM) -> MemoryReader:
        """
        Begin a tap on a topic.
        """
        reader = MemoryReader(self.world, topic)
        self.successResultOf(self.taps.open(reader.tap))
        self.assertEqual(reader.take(), ["watching"])
        return reader

    def assertNothingLeft(self) -> None:
        """
        Assert that no tap has left anything behind.
        """
        self.assertEqual(
            (len(self.taps), len(self.world.hub.registry), self.world.tracker.watched),
            (0, 0, {}),
        )

    def test_count(self) -> None:
        """
        Taps are counted by topic until they leave, and leaving twice does no harm.
        """
        one, other = self.watch(), self.watch()
        self.watch(ORDERS)
        self.assertEqual(self.taps.count(ROOM.canonical), 2)
        self.taps.leave(one.tap)
        self.taps.leave(one.tap)
        self.assertEqual(self.taps.count(ROOM.canonical), 1)
        self.taps.endAll()
        self.assertTrue(other.finished)
        self.assertNothingLeft()

    def test_refused(self) -> None:
        """
        A tap that cannot begin leaves nothing behind.
        """
        for topic, code in (
            (tableTopic("missing", "p"), "unknown_table"),
            (Topic("chat/a", "q"), "wrong_project"),
        ):
            reader = MemoryReader(self.world, topic)
            failure = self.failureResultOf(self.taps.open(reader.tap), RealtimeError)
            self.assertEqual(failure.value.code, code)
            self.assertEqual(reader.lines, [])
        self.assertNothingLeft()

    def test_noColumns(self) -> None:
        """
        A tap whose table's columns cannot be read leaves nothing behind.
        """
        self.world.tracker.columns = lambda table: _failing()  # type: ignore[method-assign]
        reader = MemoryReader(self.world, ORDERS)
        self.failureResultOf(self.taps.open(reader.tap), RealtimeError)
        self.assertNothingLeft()

    def test_goneEarly(self) -> None:
        """
        A tap that ends while its table or columns are looked up leaves nothing behind.
        """
        tracker = self.world.tracker
        for name in ("reading", "asked"):
            setattr(tracker, name, [])
            reader = MemoryReader(self.world, ORDERS)
            begun = self.taps.open(reader.tap)
            self.taps.leave(reader.tap)
            for fire in getattr(tracker, name):
                fire()
            setattr(tracker, name, None)
            self.successResultOf(begun)
            self.assertEqual(reader.lines, [])
            self.assertNothingLeft()

    def test_down(self) -> None:
        """
        A tap that begins while changes cannot be read says so.
        """
        self.world.feeds.feedDown("It sleeps.")
        reader = MemoryReader(self.world, ORDERS)
        self.successResultOf(self.taps.open(reader.tap))
        self.assertEqual(reader.take(), ["watching", "status"])

    def test_judged(self) -> None:
        """
        When the rules or the table change, the tap goes on with the operator's new rights, or ends
        with the reason.
        """
        reader = self.watch(ORDERS)
        registry, tap = self.world.hub.registry, reader.tap
        before = registry.subscribers(ORDERS.canonical)[tap]
        self.world.tracker.alter({"id": ColumnType.NUMBER, "side": ColumnType.NUMBER})
        view = registry.subscribers(ORDERS.canonical)[tap]
        self.assertNotEqual(view, before)
        self.taps.reauthorize(self.world.authenticator.reauthorize)
        self.assertEqual(registry.subscribers(ORDERS.canonical)[tap], view)
        self.world.tracker.alter({"id": ColumnType.NUMBER})
        self.assertEqual((reader.take(), reader.finished), (["error"], True))
        self.assertNothingLeft()
        self.flushLoggedErrors()

    def test_revoked(self) -> None:
        """
        An operator whose key no longer holds loses its taps on all topics.
        """
        readers = [self.watch(), self.watch(ORDERS)]
        self.world.authenticator.reload({})
        self.taps.reauthorize(self.world.authenticator.reauthorize)
        for reader in readers:
            self.assertEqual((reader.take(), reader.finished), (["error"], True))
        self.assertNothingLeft()

    def test_stop(self) -> None:
        """
        After the stop there are no taps and no timers.
        """
        reader = self.watch()
        self.taps.stopService()
        self.assertTrue(reader.finished)
        self.assertNothingLeft()

    def test_beats(self) -> None:
        """
        A tap gives a sign of life every 15 seconds.
        """
        reader = self.watch()
        self.world.clock.advance(15)
        self.assertEqual(reader.take(), ["ping"])


def _failing() -> Deferred[Any]:
    failing: Deferred[Any] = Deferred()
    failing.errback(RealtimeError("database_unavailable", "It sleeps."))
    return failing
