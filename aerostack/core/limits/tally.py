"""
A sum over several holders.
"""

from __future__ import annotations


class Tally:
    """
    A sum that each holder changes by its own part.

    @ivar size: Bytes.
    @ivar whole: The sum of which this one is a part, and which holders change alike; L{None} for
        none.
    """

    __slots__ = ("size", "whole")

    def __init__(self, whole: Tally | None = None) -> None:
        self.size = 0
        self.whole = whole
