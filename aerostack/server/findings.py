"""
What a check of a configuration finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """
    How much a finding matters.
    """

    ERROR = "error"
    """The daemon cannot start so, or cannot work."""

    WARNING = "warning"
    """The daemon runs so, but should not."""

    NOTE = "note"
    """What the operator may want to know."""


@dataclass(frozen=True)
class Finding:
    """
    Something that a check has found.

    @ivar text: One sentence that begins with the dotted key of the setting, or with the option of
        C{twistd}.  It never shows a credential.
    """

    level: Level
    text: str

    def __str__(self) -> str:
        return self.text if self.level is Level.NOTE else f"{self.level.value}: {self.text}"
