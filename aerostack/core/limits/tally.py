"""
How much several holders hold together.
"""

from __future__ import annotations


class Tally:
    """
    A sum that each holder keeps right for its own part.

    @ivar size: Bytes.
    """

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0
