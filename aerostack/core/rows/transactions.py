"""
Finds subscribers that need a frame about the end of a transaction.

A subscriber that gets a transaction's last change knows by it that the transaction has ended.  A
subscriber that gets other changes of it, but not the last, needs a frame of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)


class OpenTransactions(Generic[V]):
    """
    The subscribers that got a part of a transaction, but not its end.
    """

    __slots__ = ("_within",)

    def __init__(self) -> None:
        self._within: dict[V, None] = {}

    def enter(self, who: V) -> None:
        """
        Note that a subscriber may have got a part of the transaction.
        """
        self._within[who] = None

    def delivered(self, who: V, last: bool) -> None:
        """
        Note that a subscriber got a change.

        @param last: Whether the change is the last of its transaction.
        """
        if last:
            self._within.pop(who, None)
        else:
            self._within[who] = None

    def end(self) -> Sequence[V]:
        """
        Note the end of a transaction, after its last change was delivered.

        @return: The subscribers that need a frame about the end.
        """
        if not self._within:
            return ()
        owed = tuple(self._within)
        self._within.clear()
        return owed
