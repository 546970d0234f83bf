"""
How a streamed answer grows, in the form that its upstreams and its watchers share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TEXT = "text"
REASONING = "reasoning"
TOOL = "tool"
DATA = "data"


@dataclass(frozen=True, slots=True)
class Grown:
    """
    A part has more text.

    @ivar part: The part's id.
    @ivar kind: L{TEXT}, L{REASONING} or L{TOOL}; the text of a tool is its arguments.
    @ivar text: The new text.
    @ivar place: Up to where a watcher has the answer with this text (see
        L{aerostack.core.answers.cursor.Cursor.place}); empty where no watcher takes it.
    """

    part: str
    kind: str
    text: str
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Valued:
    """
    A part has a new value.

    @ivar part: The part's id.
    @ivar kind: L{TOOL} or L{DATA}.
    @ivar value: An object; it replaces the one before.
    """

    part: str
    kind: str
    value: dict[str, Any]


Growth = Grown | Valued
