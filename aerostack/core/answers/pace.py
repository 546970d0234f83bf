"""
When the texts of answers that have grown are sent to their watchers.

A tick sends what every changed answer has grown by.  The more watchers there are, the more work a
tick is.  With long pauses texts come late; with short ones the processor is busy.  The mean delay
is half a pause, and the share of the processor is the work divided by the pause.  With a price for
the processor in seconds of delay, the pause for which both together cost least grows with the root
of the work.
"""

from __future__ import annotations

from math import sqrt

LEAST = 0.02
"""Seconds from one tick to the next at the least."""

MOST = 0.2
"""Seconds from one tick to the next at the most."""

SHARE = 0.4
"""Which part of the time ticks may take, as long as L{MOST} allows it."""

WORTH = 0.09
"""How many seconds of delay the whole time of the processor is worth."""


def pause(took: float) -> float:
    """
    Decide when the next tick may come.

    @param took: How long the last tick took until all watchers were sent its frames, seconds.
    @return: Seconds from the beginning of the last tick.
    """
    return min(MOST, max(LEAST, took / SHARE, sqrt(2 * WORTH * took)))
