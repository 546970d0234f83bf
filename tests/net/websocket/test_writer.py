"""
Tests for L{aerostack.net.websocket.writer}, on Twisted's own file descriptor over a socket that
takes as much as the test allows.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.websocket.writer import Writer
from tests.net.websocket.sockets import STEPS, World


class OrderTests(SynchronousTestCase):
    """
    Whatever the socket takes, and when.
    """

    @settings(deadline=None, max_examples=200)
    @given(STEPS, st.booleans())
    def test_order(self, steps: list[tuple[str, int]], untouched: bool) -> None:
        """
        Every byte arrives, once and in order.  The listener hears that bytes wait while the
        transport holds bytes that the socket did not take, and never twice in a row.
        """
        world = World(untouched)
        if not untouched:
            world.transport.write(b"before")
        written = b"" if untouched else b"before"
        for number, (step, size) in enumerate(steps):
            if step == "write":
                data = bytes([number]) * size
                written += data
                world.writer.write(data)
            elif step == "room":
                world.socket.room = size
            elif step == "end":
                world.end()
            else:
                world.transport.turn()
            self.assertTrue(written.startswith(world.socket.received))
            if untouched:
                waits = world.transport in world.transport.reactor.writers
                self.assertEqual(waits, world.told[-1:] == ["congested"])
        world.settle()
        self.assertEqual(world.socket.received, written)
        self.assertEqual(world.told, ["congested", "drained"] * (len(world.told) // 2))

    def test_gathered(self) -> None:
        """
        What is written within one turn goes out with one call, when the turn ends.
        """
        world = World()
        for _ in range(10):
            world.writer.write(b"frame")
        self.assertEqual(world.socket.received, b"")
        world.clock.advance(0)
        self.assertEqual((world.socket.received, world.socket.calls), (b"frame" * 10, 1))
        self.assertEqual(world.transport.reactor.writers, set())

    def test_bounded(self) -> None:
        """
        A turn that writes much sends before its end, and copies little at a time.
        """
        world = World()
        for _ in range(100):
            world.writer.write(b"x" * 10_000)
        self.assertGreater(len(world.socket.received), 900_000)
        self.assertLess(world.socket.calls, 20)

    def test_grows(self) -> None:
        """
        A connection with earlier bytes counts as congested after a turn in which its bytes were not
        taken.
        """
        world = World(untouched=False)
        world.socket.room = 0
        world.writer.write(b"one")
        world.end()
        self.assertEqual(world.told, [])
        world.writer.write(b"two")
        world.end()
        self.assertEqual(world.told, ["congested"])
        world.settle()
        self.assertEqual((world.told[1:], world.socket.received), (["drained"], b"onetwo"))

    def test_otherwise(self) -> None:
        """
        The writer passes other calls to the transport.
        """
        self.assertIsNone(World().below.getPeer())


class EndTests(SynchronousTestCase):
    """
    How a connection ends.
    """

    def test_broken(self) -> None:
        """
        A socket that fails ends its connection as in Twisted.
        """
        world = World()
        world.socket.room = None
        world.writer.write(b"x")
        world.clock.advance(0)
        self.assertFalse(world.transport.lost)
        world.transport.turn()
        self.assertTrue(world.transport.lost)
        world.writer.write(b"y")
        world.end()

    def test_lose(self) -> None:
        """
        A closed connection first sends all bytes, also those that the socket does not take at once.
        """
        for room in (0, 3, 1000):
            world = World()
            world.socket.room = room
            world.writer.write(b"a frame")
            if room == 3:
                world.end()
            world.writer.write(b" and a close")
            world.writer.unregisterProducer()
            world.writer.loseConnection()
            world.end()
            self.assertEqual(world.transport.lost, room == 1000)
            world.settle()
            self.assertEqual(world.socket.received, b"a frame and a close")
            self.assertTrue(world.transport.lost)

    def test_abort(self) -> None:
        """
        A dropped connection sends no more bytes.
        """
        world = World()
        world.writer.write(b"x")
        world.writer.abortConnection()
        world.settle()
        self.assertEqual((world.socket.received, world.transport.lost), (b"", True))

    def test_fault(self) -> None:
        """
        A listener that fails does not affect the writes of other connections.
        """
        world, other = World(), World()
        other.writer = Writer(world.turnEnd, other.below)
        world.congested = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        world.socket.room = 0
        world.writer.write(b"x")
        other.writer.write(b"y")
        world.clock.advance(0)
        self.assertEqual(other.socket.received, b"y")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
