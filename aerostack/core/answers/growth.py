"""
How a streamed answer grows, in the form that its upstreams and its watchers share.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    part: str
    kind: str
    text: str


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
