"""
Tests for L{aerostack.delivery.catchup}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.tally import Tally
from aerostack.core.replay.positions import Position
from aerostack.delivery.catchup import Catchup
from aerostack.protocol.framing import Frame, joinFrames, textFrame


def frames(*names: str) -> list[Frame]:
    """
    A frame for each name.
    """
    return [textFrame(name.encode(), "chat/a/p") for name in names]


def names(taken: Sequence[Frame]) -> str:
    """
    What the frames say, in a row.
    """
    return "".join(frame[2:].decode() for frame in taken)


class CatchupTests(SynchronousTestCase):
    """
    Tests for L{Catchup}.
    """

    def setUp(self) -> None:
        self.catchup = Catchup()
        self.told: list[object] = []
        self.asked = 0

    def begin(self, stream: str = "", *pages: Deferred[Sequence[Frame]]) -> None:
        """
        Say what there is.
        """

        def ask() -> Iterator[Deferred[Sequence[Frame]]]:
            for page in pages:
                self.asked += 1
                yield page

        self.catchup.begin(
            frames(*stream), ask(), lambda: self.told.append("page"), self.told.append
        )

    def test_threeParts(self) -> None:
        """
        First comes what the database has, then the stream, then what was held.
        """
        self.begin("cd", succeed(frames("a")), succeed(frames("b")))
        self.catchup.hold(frames("e")[0])
        self.assertEqual(names(self.catchup.take(1000)), "abcde")
        self.assertTrue(self.catchup.done)

    def test_pieces(self) -> None:
        """
        What is taken in pieces is the same, and it is not done before the last.
        """
        self.begin("cd", succeed(frames("a", "b")), succeed([]), succeed(frames("x")))
        seen = ""
        while not self.catchup.done:
            piece = names(self.catchup.take(1))
            self.assertEqual(len(piece), 1)
            seen += piece
        self.assertEqual(seen, "abxcd")

    def test_pageByPage(self) -> None:
        """
        A page is not asked for before the one before has been taken.
        """
        self.begin("", succeed(frames("a", "b")), succeed(frames("c")))
        self.catchup.take(1)
        self.assertEqual(self.asked, 1)
        self.catchup.take(6)
        self.assertEqual(self.asked, 2)

    def test_waiting(self) -> None:
        """
        While a page is on its way there is nothing to take; then it is told that there is.
        """
        page: Deferred[Sequence[Frame]] = Deferred()
        self.begin("b", page)
        self.assertEqual(self.catchup.take(1000), [])
        self.assertEqual((self.catchup.isWaiting, self.catchup.done), (True, False))
        page.callback(frames("a"))
        self.assertEqual(self.told, ["page"])
        self.assertEqual(names(self.catchup.take(1000)), "ab")

    def test_failure(self) -> None:
        """
        A page that cannot be read is told.
        """
        page: Deferred[Sequence[Frame]] = Deferred()
        self.begin("", page)
        self.catchup.take(1000)
        page.errback(ValueError("no"))
        (failure,) = self.told
        self.assertIsInstance(failure.value, ValueError)  # type: ignore[attr-defined]

    def test_unknownYet(self) -> None:
        """
        As long as it is not known what there is, nothing is taken and everything is held.
        """
        self.catchup.hold(frames("a")[0])
        self.assertTrue(self.catchup.isWaiting)
        self.assertEqual(self.catchup.take(1000), [])
        self.assertFalse(self.catchup.done)
        self.catchup.beginWithNothing()
        self.assertEqual(names(self.catchup.take(1000)), "a")
        self.assertTrue(self.catchup.done)

    def test_held(self) -> None:
        """
        What is held is counted, in single frames, until it is taken.
        """
        self.begin()
        self.catchup.hold(joinFrames(frames("a", "b")))
        self.assertEqual(self.catchup.held, 6)
        self.assertEqual(names(self.catchup.take(1)), "a")
        self.assertEqual(self.catchup.held, 3)


class BehindTests(SynchronousTestCase):
    """
    A client that is behind with a log that can be read again.
    """

    def setUp(self) -> None:
        self.catchup = Catchup()

    def live(self, *names: str) -> Frame:
        """
        Frames of the log, each of which can be read again from what its name stands for;
        in capitals, those that cannot.
        """
        made = frames(*names)
        for name, frame in zip(names, made, strict=True):
            if name.islower():
                frame.logPosition = Position(name, 0, 0)
        return joinFrames(made)

    def begin(self, stream: str = "", *pages: Deferred[Sequence[Frame]]) -> None:
        """
        Say what there is.
        """
        self.catchup.begin(frames(*stream), iter(pages), lambda: None, lambda _: None)

    def test_forgets(self) -> None:
        """
        What is held and can be read again can be forgotten, and nothing of the log is held
        from then on; what cannot be read again stays.
        """
        self.begin("x")
        self.catchup.hold(self.live("a", "B", "c"))
        self.assertFalse(self.catchup.spare())
        self.assertEqual((self.catchup.behind, self.catchup.held), (Position("a", 0, 0), 3))
        self.catchup.hold(self.live("d", "E"))
        self.assertEqual(self.catchup.held, 6)
        self.assertEqual(names(self.catchup.take(1000)), "xBE")
        self.assertFalse(self.catchup.done)

    def test_nothingToForget(self) -> None:
        """
        Where nothing can be read again nothing is forgotten.
        """
        self.begin()
        self.catchup.hold(self.live("A"))
        self.catchup.spare()
        self.assertIsNone(self.catchup.behind)
        self.assertEqual(names(self.catchup.take(1000)), "A")

    def test_states(self) -> None:
        """
        Changes of who is present can be forgotten, and whether there were any is told.
        """
        self.begin()
        frame = self.live("A")
        frame.isState = True
        self.catchup.hold(frame)
        self.catchup.hold(self.live("B"))
        self.assertTrue(self.catchup.spare())
        self.assertFalse(self.catchup.spare())
        self.assertEqual(names(self.catchup.take(1000)), "B")

    def test_sparing(self) -> None:
        """
        Of held frames with the same key only the newest is kept.
        """
        self.begin()
        for name in "ABC":
            frame = self.live(name)
            frame.key = None if name == "B" else "key"
            self.catchup.hold(frame)
        self.assertEqual(self.catchup.held, 6)
        self.assertEqual(names(self.catchup.take(1000)), "BC")

    def test_tally(self) -> None:
        """
        What is held for one client is counted together, whatever becomes of it.
        """
        first, second = Catchup(), Catchup("here")
        first.tally = second.tally = tally = Tally()
        first.begin(frames(), None, lambda: None, lambda _: None)
        first.hold(self.live("a", "B", "C"))
        second.hold(self.live("D"))
        self.assertEqual(tally.size, 12)
        first.spare()
        self.assertEqual(tally.size, 9)
        first.take(1)
        self.assertEqual(tally.size, 6)
        second.end()
        self.assertEqual(tally.size, 3)

    def test_readsOn(self) -> None:
        """
        Once all before is sent the log is read on; what is published from then on is held
        again, and comes behind.
        """
        page: Deferred[Sequence[Frame]] = Deferred()
        self.begin("c", succeed(frames("a")), page)
        self.catchup.hold(self.live("d"))
        self.catchup.spare()
        self.assertFalse(self.catchup.isBehind)
        self.assertEqual(names(self.catchup.take(1000)), "a")
        self.assertFalse(self.catchup.isBehind)
        page.callback(frames("b"))
        self.assertEqual(names(self.catchup.take(6)), "bc")
        self.assertTrue(self.catchup.isBehind)
        self.assertEqual(self.catchup.readOn(), Position("d", 0, 0))
        self.assertTrue(self.catchup.isWaiting)
        self.catchup.hold(self.live("f"))
        self.begin("de")
        self.assertEqual(names(self.catchup.take(1000)), "def")
        self.assertTrue(self.catchup.done)

    def test_notForgotten(self) -> None:
        """
        To look whether all before is sent takes nothing away.
        """
        self.begin("ab")
        self.catchup.hold(self.live("c"))
        self.catchup.spare()
        for _ in range(3):
            self.assertFalse(self.catchup.isBehind)
        self.assertEqual(names(self.catchup.take(1000)), "ab")

    def test_behindFromTheBeginning(self) -> None:
        """
        One that begins behind reads on first of all.
        """
        catchup = Catchup("here")
        self.assertTrue(catchup.isBehind)
        catchup.hold(self.live("a"))
        self.assertEqual((catchup.take(1000), catchup.done), ([], False))
        self.assertEqual(catchup.readOn(), "here")

    def test_interrupted(self) -> None:
        """
        When the log cannot be read, what was read is sent and the rest waits to be read
        again.
        """
        self.begin("d", succeed(frames("a", "b")))
        self.catchup.take(1)
        self.catchup.hold(self.live("e", "F"))
        self.catchup.interrupt("behind b")
        self.assertEqual((self.catchup.isWaiting, self.catchup.held), (True, 3))
        self.catchup.beginWithNothing()
        self.assertEqual(names(self.catchup.take(1000)), "bF")
        self.assertTrue(self.catchup.isBehind)
        self.assertEqual(self.catchup.readOn(), "behind b")
