"""
The reactor's clock.
"""

from __future__ import annotations

import time
from typing import Any


def makeSteady(reactor: Any) -> None:
    """
    Let a reactor's timers go by a clock that nothing sets.

    Twisted's reactors go by the time of day.  An operator or NTP may set that back, and
    every timer is then late by as much.

    @param reactor: A reactor that has no timers yet.
    """
    reactor.seconds = time.monotonic
