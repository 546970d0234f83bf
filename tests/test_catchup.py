"""
Tests for L{aerostack.catchup}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from aerostack.catchup import Catchup
from aerostack.wire.framing import Frame, joinFrames, textFrame


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
