"""
How the answer of a model ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.errors import RealtimeError


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The end of a model's answer.

    @ivar reason: Why the answer is not as long as the model would have made it: C{length} or
        C{content_filter}; L{None} if it is whole.
    @ivar usage: How many tokens the model has counted, as JSON; L{None} if it did not say.
    @ivar error: Why the answer was broken off, for clients; L{None} if it was not.
    """

    reason: str | None = None
    usage: bytes | None = None
    error: RealtimeError | None = None
