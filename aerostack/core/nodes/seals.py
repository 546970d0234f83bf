"""
The seals of names that the processes of all nodes give out, so that each process recognizes a name
that none of them has given.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

KEY = 32
"""How many bytes a key has."""

_SIZE = 12


class Seals:
    """
    Seals names by a key that all processes have.

    @ivar key: The key.
    """

    def __init__(self, key: bytes) -> None:
        """
        @param key: L{KEY} bytes, a secret.
        """
        self.key = key
        # Names that were sealed just before a process got the key of the others.
        self._before = key

    def renew(self, key: bytes) -> None:
        """
        Go by another key from now on.  Seals by the one before hold, too.
        """
        if key != self.key:
            self._before, self.key = self.key, key

    def seal(self, name: str) -> str:
        """
        Put a seal behind a name.
        """
        return f"{name}.{_sealOf(name, self.key)}"

    def holds(self, sealed: str) -> bool:
        """
        Whether a name has a seal of this key, or of the one before.
        """
        name, _, seal = sealed.rpartition(".")
        given = seal.encode("utf-8", "replace")
        return any(
            compare_digest(given, _sealOf(name, key).encode()) for key in (self.key, self._before)
        )


def _sealOf(name: str, key: bytes) -> str:
    data = name.encode("utf-8", "replace")
    return blake2b(data, digest_size=_SIZE, key=key, person=b"aerostack-seal").hexdigest()
