"""
How fast a client talks.
"""

from __future__ import annotations

# The daemon bears that many, refused at once, with the smallest limits that it can have.
START = 10
MOST = 100

BYTES = 131_072
"""How many bytes go out at a time at the most, if they are in more than L{START} frames."""


class Pacer:
    """
    Lets a number of frames out at a time, and the next when the daemon has dealt with them.

    The number grows with every time that went well, and falls to one, growing slowly, when
    the daemon says that frames come too fast: a client that came back with a lot to say,
    and said all of it again and again, would be closed for flooding.

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
        All that went out was dealt with.
        """
        self._size = min(self._size + self._growth, MOST)
        self.left = int(self._size)
        self._frames = self._bytes = 0

    def tooFast(self) -> None:
        """
        Something was refused, because it came too fast.
        """
        # More must pass from here to the next refusal than is refused then.
        self._growth = 0.25
        self._size, self.left = 1 - self._growth, 0

    def closed(self) -> None:
        """
        The connection is gone.
        """
        self._size = max(self._size, 1.0)
        self.left = int(self._size)
        self._frames = self._bytes = 0
