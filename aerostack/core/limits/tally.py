"""
A sum over several holders.
"""

from __future__ import annotations


class Tally:
    """
    A sum that each holder changes by its own part.

    @ivar size: Bytes.
    """

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0
