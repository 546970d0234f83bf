"""
The reactor's clock.
"""

from __future__ import annotations

import time
from typing import Any


def makeSteady(reactor: Any) -> None:
    """
    Let a reactor's timers go by time that is never set.

    Twisted's reactors go by the time of day.  An operator or NTP may set that back, and
    every timer then stops for as long as the step was.

    @param reactor: Has no timers yet.
    """
    reactor.seconds = time.monotonic
