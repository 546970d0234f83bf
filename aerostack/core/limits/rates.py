"""
Rate limits: token buckets, and patience with clients that ignore refusals.
"""

from __future__ import annotations


class TokenBucket:
    """
    Allows a steady rate with bursts.

    @ivar rate: How many tokens come back each second.
    @ivar burst: How many tokens a full bucket has.
    @ivar tokens: How many tokens there were at the last call; below 0 they are owed.
    """

    __slots__ = ("_filledAt", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = float(burst)
        self._filledAt = now

    def wait(self, now: float, amount: float = 1) -> float:
        """
        Find out when a number of tokens can be taken.  More than a burst can be taken when the
        bucket is full; the missing tokens are then owed.

        @param now: The time in seconds.
        @return: 0 if the tokens are there, else the seconds until they will be.
        """
        elapsed = now - self._filledAt
        self._filledAt = now
        tokens = self.tokens
        # A clock that was set back must not take tokens away.
        if elapsed > 0:
            tokens += elapsed * self.rate
            if tokens > self.burst:
                tokens = float(self.burst)
            self.tokens = tokens
        if tokens >= amount:
            return 0.0
        needed = amount if amount < self.burst else self.burst
        return 0.0 if tokens >= needed else (needed - tokens) / self.rate

    def take(self, now: float, amount: float = 1) -> float:
        """
        Take a number of tokens, if they are there.

        @return: As L{wait}; nothing is taken unless it is 0.
        """
        wait = self.wait(now, amount)
        if not wait:
            self.tokens -= amount
        return wait

    def resize(self, rate: float, burst: float, now: float) -> None:
        """
        Go by another rate and burst from now on.  What is more than the new burst is gone.
        """
        self.wait(now)
        self.rate = rate
        self.burst = burst
        self.tokens = min(self.tokens, float(burst))


class Patience:
    """
    Distinguishes a client that ignores refusals from a client whose frames were under way when the
    refusal came.

    Every refusal says how long to wait.  A client that obeys is silent for that long, sooner or
    later; until then the refusals are one spell.  Refused frames do not count at the beginning of a
    spell, because a refusal takes time to arrive.

    @cvar least: The seconds that a refusal says at least.  Were it as little as passes between
        two frames of a flood, the flood would look like one who waits.
    @cvar grace: For how many seconds from the beginning of a spell nothing counts.
    """

    least = 0.25
    grace = 30.0

    __slots__ = ("_begun", "_heard", "_limit", "_refused", "_underWay", "_wait")

    def __init__(self, limit: int) -> None:
        """
        @param limit: How many counted frames may be refused.  Ten times as many may have been under
            way.
        """
        self._limit = limit
        self._underWay = limit * 10
        # When the spell began, how many frames were refused in it, and the shortest wait that was
        # asked.
        self._begun = 0.0
        self._refused = 0.0
        self._wait = 0.0
        # The time of the last frame.
        self._heard = 0.0

    def heard(self, now: float) -> None:
        """
        Note that a frame came.
        """
        # The client's timer may fire a little early.
        if now - self._heard >= self._wait * 0.9:
            self._refused = 0.0
        self._heard = now

    def wears(self, now: float, wait: float, amount: float = 1) -> bool:
        """
        Note that the last frame is refused.

        @param wait: The seconds to wait that the refusal says.
        @param amount: As how many frames it counts.
        @return: Whether the connection is to be closed.
        """
        if not self._refused:
            self._begun = now
            self._wait = wait
        elif now - self._begun > self.grace:
            # The frames until then count no more than those that may have been under way.
            self._refused = max(self._refused, self._underWay)
        self._wait = min(self._wait, wait)
        self._refused += amount
        return self._refused > self._underWay + self._limit


class Allowance:
    """
    How many frames, and how many bytes in them, a sender may send.

    @ivar frames: The bucket of frames; L{None} for no limit.
    @ivar bytes: The bucket of bytes; L{None} for no limit.
    """

    __slots__ = ("bytes", "frames")

    def __init__(self, frames: TokenBucket | None, bytes: TokenBucket | None) -> None:
        self.frames = frames
        self.bytes = bytes

    def take(self, now: float, size: int) -> float:
        """
        Take one frame.

        @param size: Its bytes.
        @return: 0 if the frame is within both limits, else the seconds until it will be.  Then
            nothing is taken from either.
        """
        frames, bytes = self.frames, self.bytes
        wait = 0.0 if frames is None else frames.wait(now)
        if bytes is not None:
            wait = max(wait, bytes.wait(now, size))
        if wait:
            return wait
        if frames is not None:
            frames.tokens -= 1
        if bytes is not None:
            bytes.tokens -= size
        return 0.0

    def giveBackFrame(self) -> None:
        """
        Give back one frame, but not its bytes.
        """
        if self.frames is not None:
            self.frames.tokens += 1

    def __str__(self) -> str:
        """The limits, as a refusal names them."""
        named = ((self.frames, "frames"), (self.bytes, "bytes"))
        parts = [f"{bucket.rate:.15g} {what}" for bucket, what in named if bucket is not None]
        return f"{' and '.join(parts)} a second"
