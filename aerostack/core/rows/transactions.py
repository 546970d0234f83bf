"""
Where transactions end, for those who do not get every change.

Somebody who gets a transaction's last change knows by that change that it ends.  Who gets
others of its changes, but not the last, has to be told.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)


class OpenTransactions(Generic[V]):
    """
    Who has been told a part of a transaction, and not its end.
    """

    __slots__ = ("_within",)

    def __init__(self) -> None:
        self._within: dict[V, None] = {}

    def enter(self, who: V) -> None:
        """
        Note that somebody may have been told a part of the transaction.
        """
        self._within[who] = None

    def told(self, who: V, last: bool) -> None:
        """
        Note that somebody was told a change.

        @param last: Whether it is its transaction's last.
        """
        if last:
            self._within.pop(who, None)
        else:
            self._within[who] = None

    def end(self) -> Sequence[V]:
        """
        Note that a transaction is over, after all were told its last change who get it.

        @return: Those who have to be told that it is over.
        """
        if not self._within:
            return ()
        owed = tuple(self._within)
        self._within.clear()
        return owed
