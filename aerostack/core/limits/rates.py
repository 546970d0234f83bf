"""
Rate limits: how often, and how much, somebody may do something.
"""

from __future__ import annotations


class TokenBucket:
    """
    Allows a steady rate with bursts.

    @ivar rate: How many are allowed a second in the long run.
    @ivar burst: How many at once after a quiet time.
    @ivar tokens: How many there were when it was last looked at; below 0 they are owed.
    """

    __slots__ = ("_filledAt", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = float(burst)
        self._filledAt = now

    def wait(self, now: float, amount: float = 1) -> float:
        """
        Find out when so many can be taken.  More than a burst can be taken when the
        bucket is full; what is missing then is owed.

        @param now: The time in seconds.
        @return: 0 if they are there, else the seconds until they will be.
        """
        elapsed = now - self._filledAt
        self._filledAt = now
        # A clock that was set back must not take tokens away.
        if elapsed > 0:
            tokens = self.tokens + elapsed * self.rate
            self.tokens = tokens if tokens < self.burst else float(self.burst)
        needed = amount if amount < self.burst else self.burst
        return 0.0 if self.tokens >= needed else (needed - self.tokens) / self.rate

    def take(self, now: float, amount: float = 1) -> float:
        """
        Take so many, if they are there.

        @return: As L{wait}; nothing is taken unless it is 0.
        """
        wait = self.wait(now, amount)
        if not wait:
            self.tokens -= amount
        return wait


class Patience:
    """
    Tells somebody who does not heed refusals from somebody whose frames were under way when the
    refusal came.

    Every refusal says how long to wait.  Who heeds it is silent for that long, sooner or later;
    until then refusals are one spell.  What is refused in a spell does not count at first,
    because the refusal takes its time to arrive.

    @cvar least: The seconds that a refusal says at least.  Were it as little as passes between
        two frames of a flood, the flood would look like one who waits.
    @cvar grace: For how many seconds from the beginning of a spell nothing counts.
    """

    least = 0.25
    grace = 30.0

    __slots__ = ("_begun", "_heard", "_limit", "_refused", "_underWay", "_wait")

    def __init__(self, limit: int) -> None:
        """
        @param limit: How many frames may be refused that count.  Ten times as many may
            have been under way.
        """
        self._limit = limit
        self._underWay = limit * 10
        # When the spell began, how much was refused in it, and the least that it was to wait.
        self._begun = 0.0
        self._refused = 0.0
        self._wait = 0.0
        # When the last frame came.
        self._heard = 0.0

    def heard(self, now: float) -> None:
        """
        Note that a frame came.
        """
        # A timer may be early by a little.
        if now - self._heard >= self._wait * 0.9:
            self._refused = 0.0
        self._heard = now

    def wears(self, now: float, wait: float, amount: float = 1) -> bool:
        """
        Note that the frame that came is refused.

        @param wait: The seconds to wait that the refusal says.
        @param amount: As how many frames it counts.
        @return: Whether patience is at its end.
        """
        if not self._refused:
            self._begun = now
            self._wait = wait
        elif now - self._begun > self.grace:
            # What came until then counts no more than what may have been under way.
            self._refused = max(self._refused, self._underWay)
        self._wait = min(self._wait, wait)
        self._refused += amount
        return self._refused > self._underWay + self._limit


class Allowance:
    """
    How many frames somebody may send, and how many bytes in them.

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
        @return: 0 if it is within both limits, else the seconds until it will be;
            nothing is taken from either then.
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

    def __str__(self) -> str:
        """The limits, as a refusal names them."""
        named = ((self.frames, "frames"), (self.bytes, "bytes"))
        parts = [f"{bucket.rate:.15g} {what}" for bucket, what in named if bucket is not None]
        return f"{' and '.join(parts)} a second"
