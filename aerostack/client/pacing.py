"""
How fast the client sends.
"""

from __future__ import annotations

# How many frames go out before the client asks whether the daemon has dealt with them: at first,
# and at most.  A daemon with the smallest limits still bears START refusals at once.
START = 10
MOST = 100

BYTES = 131_072
"""How many bytes go out at a time at most, if they are in more than L{START} frames."""


class Pacer:
    """
    Lets a number of frames out at a time, and the next ones when the daemon has dealt with these.

    The number grows each time.  When the daemon refuses a frame as too fast, the number falls to
    one and grows slowly.  Otherwise the daemon would close the connection of a client that comes
    back with many frames, for flooding.

    @ivar left: How many frames may go out now.
    """

    def __init__(self) -> None:
        self.left = START
        self._frames = self._bytes = 0
        self._size = float(START)
        self._growth = 2.0

    def sent(self, size: int) -> None:
        """
        A frame went out.
        """
        self.left -= 1
        self._frames += 1
        self._bytes += size
        if self._frames >= START and self._bytes >= BYTES:
            self.left = 0

    def refill(self) -> None:
        """
        The daemon has dealt with all frames that went out.
        """
        self._size = min(self._size + self._growth, MOST)
        self.left = int(self._size)
        self._frames = self._bytes = 0

    def tooFast(self) -> None:
        """
        The daemon refused a frame as too fast.
        """
        # The daemon has to take more frames from here to the next refusal than it refuses then.
        self._growth = 0.25
        self._size, self.left = 1 - self._growth, 0

    def closed(self) -> None:
        """
        The connection is closed.
        """
        self._size = max(self._size, 1.0)
        self.left = int(self._size)
        self._frames = self._bytes = 0
