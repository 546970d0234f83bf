"""
What a read of the journal gives.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.core.changes import Change
from aerostack.errors import RealtimeError


@dataclass(frozen=True)
class Loss:
    """
    Changes of one table cannot be told any more.

    @ivar table: The table's name, as C{attach} gave it.
    @ivar error: What its subscribers are told.
    @ivar seq: Where among the changes: everything up to this number is in doubt.
    """

    table: str
    error: RealtimeError
    seq: int


@dataclass(frozen=True)
class Poll:
    """
    What was committed since the last read.

    @ivar events: Changes and losses, in commit order.
    @ivar after: The C{seq} up to which the journal has been read.
    @ivar more: There is more to read: poll again at once.
    @ivar altered: Tables whose columns may be others than before.
    """

    events: tuple[Change | Loss, ...]
    after: int
    more: bool
    altered: frozenset[str] = frozenset()
