"""
Tests for L{aerostack.delivery.runs}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import CANCELLED, Answer, End, Terms
from aerostack.core.answers.appended import Appended
from aerostack.core.answers.part import PIECE, TEXT
from aerostack.core.answers.units import units
from aerostack.delivery.runs import RUN, Runs
from aerostack.protocol.framing import Frame
from aerostack.testing.connections import readFrames


class RunsTests(SynchronousTestCase):
    """
    Tests for L{Runs}.
    """

    def setUp(self) -> None:
        self.answers = {name: Answer(name, name, "ai/x/p", Terms(), 1) for name in ("a1", "a2")}
        self.count = 0

    def grow(self, text: str, name: str = "a1") -> Appended:
        """
        Let a stream grow.
        """
        self.count += 1
        part = self.answers[name].append("0", TEXT, text)
        part.shown = part.length
        at = part.length - units(text)
        return Appended(self.answers[name], part, at, part.length, 7, f"pos{self.count}")

    def read(self, runs: Runs, size: int = 1_000_000) -> list[Any]:
        """
        Take frames.
        """
        return [readFrames(frame)[0] for frame in runs.portion(size)]

    def test_merged(self) -> None:
        """
        The texts of each stream are one frame.  The last frame has the newest position, and the
        newest text comes last.
        """
        runs = Runs.of(self.grow("ab"))
        for text, name in (("x", "a2"), ("cd", "a1"), ("y", "a2")):
            self.assertTrue(runs.absorb(Runs.of(self.grow(text, name))))
        self.assertEqual(len(runs), 2 * RUN)
        first, last = self.read(runs)
        self.assertEqual((first["stream"], first["data"]), ("a1", {"token": "abcd"}))
        self.assertNotIn("pos", first)
        self.assertEqual((last["stream"], last["data"]), ("a2", {"token": "xy"}))
        self.assertEqual((last["at"], last["pos"]), (0, "pos4"))
        self.assertEqual(self.read(runs), [])

    def test_both(self) -> None:
        """
        Of other texts that were put together, all are taken up.
        """
        runs = Runs.of(self.grow("ab"))
        newer = Runs.of(self.grow("cd"))
        for text, name in (("x", "a2"), ("ef", "a1"), ("y", "a2")):
            newer.add(self.grow(text, name))
        self.assertTrue(runs.absorb(newer))
        first, last = self.read(runs)
        self.assertEqual((first["stream"], first["data"]), ("a1", {"token": "abcdef"}))
        self.assertEqual((last["data"], last["pos"]), ({"token": "xy"}, "pos5"))

    def test_taken(self) -> None:
        """
        Texts of which frames were taken are not taken up.
        """
        newer = Runs.of(self.grow("x" * 3 * PIECE, "a2"))
        self.read(newer, 1)
        self.assertFalse(Runs.of(self.grow("ab")).absorb(newer))

    def test_portions(self) -> None:
        """
        A long text comes in several frames, as many as are wanted at a time.  Once the first is
        taken, nothing more is taken up.
        """
        runs = Runs.of(self.grow("x" * 3 * PIECE))
        self.assertEqual(len(self.read(runs, 1)), 1)
        self.assertFalse(runs.absorb(Runs.of(self.grow("y"))))
        frames = self.read(runs)
        self.assertEqual([frame["at"] for frame in frames], [PIECE, 2 * PIECE])
        self.assertEqual(frames[-1]["pos"], "pos1")

    def test_otherFrames(self) -> None:
        """
        Other frames are not taken up.
        """
        self.assertFalse(Runs.of(self.grow("ab")).absorb(Frame(b"x")))

    def test_cancelled(self) -> None:
        """
        The text of a stream that was cancelled is left out, also between two portions.
        """
        runs = Runs.of(self.grow("x" * 3 * PIECE))
        runs.add(self.grow("y", "a2"))
        self.assertEqual(self.read(runs, 1)[0]["stream"], "a1")
        self.answers["a1"].end = End(CANCELLED)
        self.assertEqual([frame["stream"] for frame in self.read(runs)], ["a2"])
