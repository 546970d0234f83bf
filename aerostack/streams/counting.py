"""
What is counted of token streams for the metrics.
"""

from __future__ import annotations

from aerostack.core.answers.answer import ABORTED, CANCELLED, DONE, FAILED
from aerostack.core.diagnosis.histogram import Histogram


class Counting:
    """
    Numbers since the daemon began.

    @ivar ended: How many streams have ended, by their states.
    @ivar first: How long it took until streams had their first text.
    @ivar characters: How many characters of text have come.
    @ivar appends: How many texts and values have come.
    @ivar frames: How many frames brought text to watchers, each counted once for all watchers.
    """

    def __init__(self) -> None:
        self.ended = dict.fromkeys((DONE, FAILED, CANCELLED, ABORTED), 0)
        self.first = Histogram()
        self.characters = 0
        self.appends = 0
        self.frames = 0
