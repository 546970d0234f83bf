"""
How much one client may send, and when the daemon takes its frames for a flood.
"""

from __future__ import annotations

from aerostack.core.limits.rates import Allowance, Patience, TokenBucket
from aerostack.settings.limits import LimitsConfig

URGENT = frozenset({"auth", "ping", "unsubscribe", "untrack"})
"""The types of the frames that no rate limit refuses: they keep a connection alive, or give
something back.  They have a bucket of their own."""


class ClientAllowance(Allowance):
    """
    The frames and bytes that one client may send, and the daemon's patience with a client that
    goes on after refusals.
    """

    __slots__ = ("_limits", "_patience", "_urgent")

    def __init__(self, limits: LimitsConfig, now: float) -> None:
        super().__init__(
            TokenBucket(limits.framesPerSecond, limits.framesBurst, now),
            None
            if limits.bytesPerSecond is None
            else TokenBucket(limits.bytesPerSecond, limits.bytesBurst, now),
        )
        self._limits = limits
        # L{None} until the first refusal, which most clients never get: this saves memory.
        self._urgent: TokenBucket | None = None
        self._patience: Patience | None = None

    def takeFrame(self, now: float, size: int) -> float:
        """
        Take one frame, and note that it came.

        @param now: The time in seconds.
        @param size: Its bytes.
        @return: 0 if the client may send the frame, else the seconds that it has to wait.
        """
        wait = self.take(now, size)
        if wait:
            if self._patience is None:
                self._patience = Patience(self._limits.framesBurst)
            wait = max(wait, Patience.least)
        if self._patience is not None:
            self._patience.heard(now)
        return wait

    def takeUrgent(self, now: float) -> bool:
        """
        Take one of the L{URGENT} frames, which is beyond the other limits.

        @return: C{False} if the client sends more of these frames than it can have use for.
        """
        if self._urgent is None:
            limits = self._limits
            # A client may give back everything that it holds at once.
            burst = limits.framesBurst + 2 * limits.subscriptions
            self._urgent = TokenBucket(limits.framesPerSecond, burst, now)
        return not self._urgent.take(now)

    def isFlood(self, now: float, wait: float, size: int) -> bool:
        """
        Note that the daemon refuses the last frame.

        @param wait: The seconds to wait that the refusal says.
        @param size: The bytes of the frame.
        @return: Whether the client has gone on after refusals for too long.
        """
        # Large frames are a flood earlier than small ones.
        amount = max(1.0, size * self._limits.framesBurst / self._limits.bytesBurst)
        return self._patience is not None and self._patience.wears(now, wait, amount)
