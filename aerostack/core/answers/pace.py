"""
When the texts of answers that have grown are sent to their watchers.

A tick sends what every changed answer has grown by.  The more watchers there are, the longer a tick
takes.  So the ticks have a share of the time, and come as often as that share allows.
"""

from __future__ import annotations

LEAST = 0.02
"""Seconds from one tick to the next at the least, ..."""

MOST = 0.2
"""... and at the most."""

SHARE = 0.4
"""Which part of the time ticks may take."""


def pause(took: float) -> float:
    """
    Decide when the next tick may come.

    @param took: How long the last tick took until all watchers were sent its frames, seconds.
    @return: Seconds from the beginning of the last tick.
    """
    return min(MOST, max(LEAST, took / SHARE))
