"""
Publications that come again, because their publisher did not hear the answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b
from typing import Generic, TypeVar

T = TypeVar("T")


def fingerprint(event: str, data: bytes) -> bytes:
    """
    Tell publications of the same id apart: some clients number theirs from one at
    every start, and that must not make their messages vanish.
    """
    return blake2b(event.encode() + b"\0" + data, digest_size=16).digest()


class IdempotencyCache(Generic[T]):
    """
    Remembers for a while what was published under which key.

    @ivar window: For how many seconds.
    @ivar limit: How many at the most; the oldest are forgotten first.
    """

    def __init__(self, window: float, limit: int) -> None:
        self.window = window
        self.limit = limit
        # In the order in which they came, which is that of their times.
        self._seen: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def find(self, key: Hashable, now: float) -> T | None:
        """
        What was noted under a key, within the window.
        """
        self._expire(now)
        seen = self._seen.get(key)
        return None if seen is None else seen[1]

    def note(self, key: Hashable, outcome: T, now: float) -> None:
        """
        Remember a publication.
        """
        self._seen.pop(key, None)
        self._seen[key] = (now, outcome)
        self._expire(now)

    def forget(self, key: Hashable) -> None:
        """
        Let a publication be new when it comes again: it failed.
        """
        self._seen.pop(key, None)

    def _expire(self, now: float) -> None:
        seen = self._seen
        while seen:
            at, _ = next(iter(seen.values()))
            # A clock that was set back keeps things for longer, not for ever: the limit
            # holds.
            if now - at <= self.window and len(seen) <= self.limit:
                return
            seen.popitem(last=False)

    def __len__(self) -> int:
        return len(self._seen)
