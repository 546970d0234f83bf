"""
The frames of blocks of text, which are the same for all clients that come late to an answer.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from aerostack.core.answers.part import Block

FRAME_BYTES = 16_777_216
"""How many bytes of frames are kept, of all answers together: a few times those of the longest
answer, so that many clients which come at once share them."""


class BlockFrames:
    """
    Keeps the frames that were made last.  The frame of a block goes with the block.

    @ivar size: How many bytes they have.
    """

    def __init__(self, most: int = FRAME_BYTES) -> None:
        """
        @param most: How many bytes are kept at the most; but one frame at least.
        """
        self.size = 0
        self._most = most
        # The blocks in the order in which their frames were made, with the sizes of these.
        self._sizes: dict[ref[Block], int] = {}

    def keep(self, block: Block, frame: Any) -> None:
        """
        Keep the frame of a block that has none, and forget the oldest ones if they are too many.
        """
        block.frame = frame
        self._sizes[ref(block, self._forget)] = len(frame)
        self.size += len(frame)
        while self.size > self._most and len(self._sizes) > 1:
            oldest = next(iter(self._sizes))
            self._forget(oldest)
            known = oldest()
            if known is not None:
                known.frame = None

    def _forget(self, oldest: ref[Block]) -> None:
        self.size -= self._sizes.pop(oldest, 0)
