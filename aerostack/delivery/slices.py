"""
Work that takes long, a slice of it in each turn of the reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

SLICE = 0.002
"""Seconds of a turn for one kind of work."""


def makeCooperator(clock: IReactorTime, part: float = 1.0) -> Cooperator:
    """
    Make what does work in slices.

    Twisted's own slices take 10 ms, and longer if the time of day is set back meanwhile.

    @param clock: Also tells when a slice is over.
    @param part: The part of L{SLICE} that a slice takes.  The step that has begun then is done to
        its end.
    """
    return Cooperator(partial(_begin, clock, part), partial(clock.callLater, 0))


def _begin(clock: IReactorTime, part: float) -> Callable[[], bool]:
    """
    Begin a slice.

    @return: Whether the slice is over.
    """
    end = clock.seconds() + part * SLICE
    return lambda: clock.seconds() >= end
