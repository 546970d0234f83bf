"""
What nodes tell each other of a token stream that has begun and not ended.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenStream:
    """
    A token stream that has begun and not ended.

    @ivar topic: The canonical topic.
    @ivar stream: The stream's id.
    @ivar began: When it began, milliseconds since the epoch.  Another stream of the same id began
        at another time.
    """

    topic: str
    stream: str
    began: int
