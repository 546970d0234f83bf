"""
Finds kept messages that come again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from aerostack.core.replay.publications import Kept, Message
from aerostack.databases.dialect import Dialect
from aerostack.databases.repeatable import findAgain, findByIds
from aerostack.hub.idempotency import keyOf


class Repeats:
    """
    Finds messages that their publishers have sent to another node before.
    """

    def __init__(self, dialect: Dialect, wall: Callable[[], float], window: float) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        @param window: For how many seconds publishers may send a message again.
        """
        self._dialect = dialect
        self._wall = wall
        self._window = window

    def find(self, cursor: Any, messages: Sequence[Message]) -> Mapping[str, Kept]:
        """
        Find those of some messages that are kept already; see
        L{aerostack.databases.keeping.Again}.
        """
        keys = {message.id: keyOf(message) for message in messages}
        asked = [message for message in messages if keys[message.id] is not None]
        since = int((self._wall() - self._window) * 1000)
        there: dict[Hashable, Kept] = {}
        for kept in findAgain(cursor, self._dialect, asked, since):
            there.setdefault(keyOf(kept.message), kept)
        found = ((message.id, there.get(keys[message.id])) for message in asked)
        again = {messageId: kept for messageId, kept in found if kept is not None}
        emitted = [message.id for message in messages if message.emitted is not None]
        for kept in findByIds(cursor, self._dialect, emitted):
            again[kept.message.id] = kept
        return again
