"""
Recognizes publications that a client sends again because it did not get the answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b
from typing import Generic, TypeVar

T = TypeVar("T")


def fingerprint(event: str, data: bytes) -> bytes:
    """
    Make a digest of a publication, which tells publications with the same id apart: some clients
    number theirs from one at every start, and their messages must not vanish.
    """
    return blake2b(event.encode() + b"\0" + data, digest_size=16).digest()


class IdempotencyCache(Generic[T]):
    """
    Remembers for a while the outcomes of publications, by their keys.

    @ivar window: For how many seconds.
    @ivar limit: How many it remembers at most; it forgets the oldest first.
    """

    def __init__(self, window: float, limit: int) -> None:
        self.window = window
        self.limit = limit
        # By key, when it came and its outcome, the oldest first.
        self._seen: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def find(self, key: Hashable, now: float) -> T | None:
        """
        The outcome that was noted under a key within the window.
        """
        self._expire(now)
        seen = self._seen.get(key)
        return None if seen is None else seen[1]

    def note(self, key: Hashable, outcome: T, now: float) -> None:
        """
        Remember the outcome of a publication.
        """
        self._seen.pop(key, None)
        self._seen[key] = (now, outcome)
        self._expire(now)

    def forget(self, key: Hashable) -> None:
        """
        Forget a publication that failed, so that it is new when it comes again.
        """
        self._seen.pop(key, None)

    def _expire(self, now: float) -> None:
        seen = self._seen
        while seen:
            at, _ = next(iter(seen.values()))
            # The oldest is young enough, and there are not too many.
            if now - at <= self.window and len(seen) <= self.limit:
                return
            seen.popitem(last=False)

    def __len__(self) -> int:
        return len(self._seen)
