"""
Tests for L{aerostack.core.answers.blockframes}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.blockframes import BlockFrames
from aerostack.core.answers.part import PIECE, Block


class BlockFramesTests(SynchronousTestCase):
    """
    Tests for L{BlockFrames}.
    """

    def test_bounded(self) -> None:
        """
        The frames that were made last are kept, within a bound; a block whose frame was forgotten
        may get it again.
        """
        frames = BlockFrames(100)
        blocks = [Block(0, "a") for _ in range(4)]
        for block in blocks:
            frames.keep(block, b"x" * 40)
        self.assertEqual([block.frame is None for block in blocks], [True, True, False, False])
        self.assertEqual(frames.size, 80)
        frames.keep(blocks[0], b"y" * 60)
        self.assertEqual([block.frame is None for block in blocks], [False, True, True, False])
        self.assertEqual(frames.size, 100)

    def test_released(self) -> None:
        """
        The frames of text that is forgotten or taken back go with it.
        """
        frames = BlockFrames(1000)
        answer = Answer("a1", "r1", "ai/x/p", Terms(), 1000)
        part = answer.append("0", "text", "x" * 3 * PIECE)
        for _, _, block in part.pieces(0, part.length):
            assert block is not None
            frames.keep(block, b"x" * 40)
        del block
        self.assertEqual(frames.size, 120)
        answer.takeBack("0", 2 * PIECE, 1)
        self.assertEqual(frames.size, 80)
        answer.release()
        self.assertEqual(frames.size, 0)
        frames.keep(kept := Block(0, "a"), b"x" * 990)
        self.assertEqual((len(kept.frame), frames.size), (990, 990))

    def test_large(self) -> None:
        """
        The newest frame is kept, however large it is.
        """
        frames = BlockFrames(100)
        first, second = Block(0, "a"), Block(0, "b")
        frames.keep(first, b"x" * 40)
        frames.keep(second, b"x" * 400)
        self.assertEqual((first.frame, len(second.frame), frames.size), (None, 400, 400))
