"""
Tests for L{aerostack.delivery.catchup}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.backlog import Backlogs
from aerostack.core.limits.tally import Tally
from aerostack.core.replay.positions import Position
from aerostack.delivery.catchup import Catchup, Stage
from aerostack.protocol.framing import Frame, joinFrames, textFrame


def frames(*names: str) -> list[Frame]:
    """
    Make a frame for each name.
    """
    return [textFrame(name.encode(), "chat/a/p") for name in names]


def names(taken: Sequence[Frame]) -> str:
    """
    Give the names of frames as one text.
    """
    return "".join(frame[2:].decode() for frame in taken)


def place(name: str) -> Position:
    """
    Give the log's position before the frame of a name.
    """
    return Position("e", None, ord(name))


def live(*names: str) -> Frame:
    """
    Make live frames.  Those with a small letter are in the log, and those with a capital are not.
    """
    made = frames(*names)
    for name, frame in zip(names, made, strict=True):
        if name.islower():
            frame.logPosition = place(name)
    return joinFrames(made)


WAYS: Mapping[str, Callable[[Catchup], Deferred[Any]]] = {
    "read": lambda catchup: catchup.read(Deferred()),
    "write": lambda catchup: catchup.write(frames("a")),
    "writeHeld": lambda catchup: catchup.writeHeld(),
    "awaitTurn": lambda catchup: catchup.awaitTurn(),
}
"""What a coroutine waits for."""


class CatchupTests(SynchronousTestCase):
    """
    Tests for L{Catchup}.
    """

    def setUp(self) -> None:
        self.catchup = Catchup()

    def test_write(self) -> None:
        """
        A part is taken in its order, and the coroutine goes on when all of it was taken.
        """
        written = self.catchup.write(frames(*"abc"))
        self.assertTrue(self.catchup.isReady)
        self.assertEqual(names(self.catchup.take(6)), "ab")
        self.catchup.advance()
        self.assertNoResult(written)
        self.assertEqual(names(self.catchup.take(1000)), "c")
        self.catchup.advance()
        self.successResultOf(written)
        self.assertFalse(self.catchup.isReady)

    def test_writtenAtOnce(self) -> None:
        """
        The coroutine goes on as soon as the last frame was taken, before the next is asked for.
        """
        written = self.catchup.write(iter(frames("a")))
        self.catchup.take(1)
        self.catchup.advance()
        self.successResultOf(written)

    def test_lookAhead(self) -> None:
        """
        To look whether a frame is left does not take the frame.
        """
        self.catchup.write(iter(frames(*"abc")))
        self.catchup.take(1)
        for _ in range(3):
            self.catchup.advance()
        self.assertEqual(names(self.catchup.take(1000)), "bc")

    def test_nothing(self) -> None:
        """
        A part without frames is written when it is the client's turn.
        """
        written = self.catchup.write([])
        self.assertNoResult(written)
        self.assertEqual(self.catchup.take(1000), [])
        self.catchup.advance()
        self.successResultOf(written)

    def test_read(self) -> None:
        """
        During a read no frame can be taken, even if frames are held.
        """
        reading: Deferred[str] = Deferred()
        read = self.catchup.read(reading)
        self.catchup.hold(frames("a")[0])
        self.catchup.advance()
        self.assertEqual((self.catchup.isReady, self.catchup.take(1000)), (False, []))
        reading.callback("rows")
        self.assertEqual(self.successResultOf(read), "rows")

    def test_unreadable(self) -> None:
        """
        If the read fails, the coroutine gets the error.
        """
        reading: Deferred[str] = Deferred()
        read = self.catchup.read(reading)
        reading.errback(ValueError("no"))
        self.failureResultOf(read, ValueError)

    def test_turn(self) -> None:
        """
        A coroutine that waits for the client's turn goes on at that turn, and before it no frame
        can be taken.
        """
        turn = self.catchup.awaitTurn()
        self.assertTrue(self.catchup.isReady)
        self.assertEqual(self.catchup.take(1000), [])
        self.catchup.advance()
        self.successResultOf(turn)

    def test_held(self) -> None:
        """
        Live frames are held and counted one by one until they are taken, even if they come while
        others are taken.
        """
        self.catchup.hold(joinFrames(frames("a", "b")))
        self.assertEqual(self.catchup.held, 6)
        written = self.catchup.writeHeld()
        self.assertEqual(names(self.catchup.take(1)), "a")
        self.assertEqual(self.catchup.held, 3)
        self.catchup.hold(frames("c")[0])
        self.catchup.advance()
        self.assertNoResult(written)
        self.assertEqual(names(self.catchup.take(1000)), "bc")
        self.catchup.advance()
        self.successResultOf(written)

    def test_nothingHeld(self) -> None:
        """
        If no frame is held, the coroutine goes on at once.
        """
        self.successResultOf(self.catchup.writeHeld())


class EndTests(SynchronousTestCase):
    """
    Tests for a client that leaves or subscribes anew.
    """

    def test_waiting(self) -> None:
        """
        The coroutine ends, in whatever state it waits.
        """
        for name, wait in WAYS.items():
            catchup = Catchup()
            catchup.hold(frames("h")[0])
            waiting = wait(catchup)
            catchup.end()
            self.assertEqual(catchup.stage, Stage.ENDED, name)
            self.failureResultOf(waiting, CancelledError)
            self.assertEqual((catchup.take(1000), catchup.held), ([], 0), name)

    def test_before(self) -> None:
        """
        A coroutine that is busy at the end learns of it at its next wait, and the catch-up stays
        ended.
        """
        for name, wait in WAYS.items():
            catchup = Catchup()
            catchup.end()
            self.failureResultOf(wait(catchup), CancelledError)
            self.assertEqual((catchup.stage, catchup.isReady), (Stage.ENDED, False), name)

    def test_readingGoesOn(self) -> None:
        """
        The read goes on, and its result is ignored.
        """
        for fire in (lambda d: d.callback("rows"), lambda d: d.errback(ValueError("no"))):
            reading: Deferred[Any] = Deferred()
            catchup = Catchup()
            read = catchup.read(reading)
            catchup.end()
            self.failureResultOf(read, CancelledError)
            self.assertNoResult(reading)
            fire(reading)
            self.assertIsNone(self.successResultOf(reading))


class BehindTests(SynchronousTestCase):
    """
    Tests for a client that is behind, with a log that can be read again.
    """

    def setUp(self) -> None:
        self.catchup = Catchup()

    def taken(self) -> str:
        """
        Take everything that is held.
        """
        self.catchup.writeHeld()
        return names(self.catchup.take(1000))

    def test_forgets(self) -> None:
        """
        Held frames of the log can be forgotten, because they can be read again, and no more frames
        of the log are held then.  Other frames stay.
        """
        self.catchup.hold(live("a", "B", "c"))
        self.assertFalse(self.catchup.spare())
        self.assertEqual((self.catchup.behind, self.catchup.held), (place("a"), 3))
        self.catchup.hold(live("d", "E"))
        self.assertEqual(self.catchup.held, 6)
        self.assertEqual(self.taken(), "BE")

    def test_nothingToForget(self) -> None:
        """
        If no frame can be read again, no frame is forgotten.
        """
        self.catchup.hold(live("A"))
        self.catchup.spare()
        self.assertIsNone(self.catchup.behind)
        self.assertEqual(self.taken(), "A")

    def test_states(self) -> None:
        """
        Changes of presence can be forgotten, and the caller learns whether there were any.
        """
        frame = live("A")
        frame.isState = True
        self.catchup.hold(frame)
        self.catchup.hold(live("B"))
        self.assertTrue(self.catchup.spare())
        self.assertFalse(self.catchup.spare())
        self.assertEqual(self.taken(), "B")

    def test_sparing(self) -> None:
        """
        Of held frames with the same key only the newest is kept.
        """
        for name in "ABC":
            frame = live(name)
            frame.key = None if name == "B" else "key"
            self.catchup.hold(frame)
        self.assertEqual(self.catchup.held, 6)
        self.assertEqual(self.taken(), "BC")

    def test_tally(self) -> None:
        """
        The held frames of all topics of one client are counted together, and uncounted when they
        go.
        """
        first, second = Catchup(), Catchup(place("h"))
        tally, backlog = Tally(), Backlogs[object]().of("p")
        for each in (first, second):
            each.countIn(tally, backlog)
        first.hold(live("a", "B", "C"))
        second.hold(live("D"))
        self.assertEqual(tally.size, 12)
        first.spare()
        self.assertEqual(tally.size, 9)
        written = first.writeHeld()
        first.take(1)
        self.assertEqual(tally.size, 6)
        second.restart(None)
        self.assertEqual(tally.size, 3)
        first.end()
        self.failureResultOf(written, CancelledError)
        self.assertEqual(tally.size, 0)

    def test_readsOn(self) -> None:
        """
        While the log is read, frames that are published are held again.
        """
        self.catchup.hold(live("d"))
        self.catchup.spare()
        self.catchup.hold(live("e"))
        self.assertEqual(self.catchup.leaveBehind(), place("d"))
        self.assertIsNone(self.catchup.behind)
        self.catchup.hold(live("f"))
        self.assertEqual(self.taken(), "f")

    def test_fallsBehind(self) -> None:
        """
        If the log cannot be read, its held frames are forgotten.  They are to be read later from
        the place that was reached.
        """
        self.catchup.hold(live("e", "F"))
        self.catchup.fallBehind(place("b"))
        self.assertEqual((self.catchup.behind, self.taken()), (place("b"), "F"))

    def test_restart(self) -> None:
        """
        A catch-up that begins anew has no held frames.
        """
        self.catchup.hold(live("a", "B"))
        self.catchup.restart(place("x"))
        self.assertEqual((self.catchup.behind, self.catchup.held), (place("x"), 0))
        self.catchup.hold(live("c", "D"))
        self.assertEqual(self.taken(), "D")

    def entries(self, *names: str) -> None:
        """
        Hold entries of the log of a topic that is no table's; those with a capital are no entries.
        """
        for frame in frames(*names):
            frame.isEntry = frame[2:].islower()
            self.catchup.hold(frame)

    def test_setAside(self) -> None:
        """
        What is set aside is held again before what came later, and only once.
        """
        self.entries(*"aBc")
        self.catchup.setAside(place("a"))
        self.entries(*"dE")
        self.assertEqual(self.catchup.takeBack(), place("a"))
        self.assertIsNone(self.catchup.takeBack())
        self.assertEqual(self.taken(), "acBdE")

    def test_forgetAside(self) -> None:
        """
        What is set aside and read from the log does not come live.
        """
        self.entries(*"aBc")
        self.catchup.setAside(place("a"))
        self.catchup.forgetAside()
        self.entries(*"dE")
        self.assertIsNone(self.catchup.takeBack())
        self.assertEqual(self.taken(), "BdE")

    def test_dropEntries(self) -> None:
        """
        Dropped entries do not come live; what is no entry does.
        """
        self.entries("a")
        self.catchup.setAside(place("a"))
        self.entries(*"bC")
        self.catchup.dropEntries()
        self.assertIsNone(self.catchup.takeBack())
        self.assertEqual((self.catchup.held > 0, self.taken()), (True, "C"))

    def test_answered(self) -> None:
        """
        A client that falls behind has the answer to its subscription; one that subscribes does not
        have it yet.
        """
        self.assertEqual((Catchup(place("h")).isAnswered, self.catchup.isAnswered), (True, False))
