"""
How watchers come late to streamed answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from aerostack.core.answers.growth import Grown, Growth


@dataclass(slots=True)
class Joins:
    """
    Those who began to watch answers that were running already.

    @ivar count: How many there were.
    @ivar size: How many bytes they were sent at their beginnings.
    """

    count: int = 0
    size: int = 0

    def take(self, growths: Iterable[Growth]) -> None:
        """
        Count what one of them is sent at its beginning.
        """
        for each in growths:
            if isinstance(each, Grown):
                self.size += len(each.text.encode())
            else:
                self.size += len(msgspec.json.encode(each.value))
