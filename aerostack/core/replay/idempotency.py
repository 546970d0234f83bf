"""
Recognizes publications that a client sends again because it did not get the answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def fingerprint(event: str, data: bytes, key: str | None = None) -> bytes:
    """
    Make a digest of a publication, which tells publications with the same id apart: some clients
    number theirs from one at every start, and their messages must not vanish.

    @param key: The key on a keyed topic.
    """
    if key is not None:
        event = f"{event}\0{key}"
    return blake2b(event.encode() + b"\0" + data, digest_size=16).digest()


class IdempotencyCache(Generic[T]):
    """
    Remembers for a while the outcomes of publications, by their keys.

    @ivar window: For how many seconds.
    @ivar limit: How many it remembers at most.  Beyond it the owner with the most loses its
        oldest, so that one owner's publications do not make another owner's forgotten.
    """

    def __init__(self, window: float, limit: int, ownerOf: Callable[[Any], str]) -> None:
        """
        @param ownerOf: Gives the owner of a key.
        """
        self.window = window
        self.limit = limit
        self._ownerOf = ownerOf
        # By owner and key, when it came and its outcome, the oldest first.
        self._seen: dict[str, OrderedDict[Hashable, tuple[float, T]]] = {}
        self._count = 0

    def find(self, key: Hashable, now: float) -> T | None:
        """
        The outcome that was noted under a key within the window.
        """
        owner = self._ownerOf(key)
        seen = self._seen.get(owner)
        found = None if seen is None else seen.get(key)
        if seen is None or found is None:
            return None
        at, outcome = found
        if now - at > self.window:
            self._expire(owner, seen, now)
            return None
        return outcome

    def note(self, key: Hashable, outcome: T, now: float) -> None:
        """
        Remember the outcome of a publication.
        """
        owner = self._ownerOf(key)
        seen = self._seen.get(owner)
        if seen is None:
            seen = self._seen[owner] = OrderedDict()
        elif seen.pop(key, None) is not None:
            self._count -= 1
        seen[key] = now, outcome
        self._count += 1
        self._expire(owner, seen, now)
        while self._count > self.limit:
            self._drop(max(self._seen, key=lambda each: len(self._seen[each])))

    def forget(self, key: Hashable) -> None:
        """
        Forget a publication that failed, so that it is new when it comes again.
        """
        seen = self._seen.get(self._ownerOf(key))
        if seen is not None and seen.pop(key, None) is not None:
            self._count -= 1

    def _expire(self, owner: str, seen: OrderedDict[Hashable, tuple[float, T]], now: float) -> None:
        """Forget what is too old of an owner's."""
        while seen:
            at, _ = next(iter(seen.values()))
            if now - at <= self.window:
                return
            self._drop(owner)
        del self._seen[owner]

    def _drop(self, owner: str) -> None:
        """Forget the oldest publication of an owner."""
        self._seen[owner].popitem(last=False)
        self._count -= 1

    def __len__(self) -> int:
        return self._count
