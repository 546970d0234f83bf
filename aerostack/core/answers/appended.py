"""
What a topic's log has of an answer's text: a reference, not the text.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.part import Part


@dataclass(frozen=True, slots=True, eq=False)
class Appended:
    """
    A text by which a part of an answer has grown.

    @ivar at: Where it begins in the part, UTF-16 units.
    @ivar until: Where it ends.
    @ivar isReset: Whether it takes the place of other text, behind where it begins.
    @ivar timestamp: When it was published, milliseconds since the epoch.
    @ivar position: Its place in the topic's log, as clients get it.
    """

    answer: Answer
    part: Part
    at: int
    until: int
    timestamp: int
    position: str
    isReset: bool = False
