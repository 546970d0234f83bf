"""
The daemon goes away, and tells everybody when to come back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from aerostack.core.limits.draining import PAUSE, Departures
from aerostack.sessions.session import Session

PATIENCE = 1.0
"""Seconds that what clients have published may take to be acknowledged before they are
sent away all the same."""


@inlineCallbacks
def farewell(clock: IReactorTime, sessions: Sequence[Session], departures: Departures) -> Any:
    """
    Send everybody away, batch by batch, each with a delay of its own.

    @return: A L{Deferred} that fires when everybody has been told, at once if there is
        nobody; at the latest after L{aerostack.core.limits.draining.LONGEST} and L{PATIENCE}.
    """
    first, due = 0, clock.seconds()
    for delays in departures.batches(len(sessions)):
        if first:
            # Where one comes late, those after it do not.
            due += PAUSE
            yield deferLater(clock, max(0.0, due - clock.seconds()))
        for session, delay in zip(sessions[first:], delays, strict=False):
            _guard(session, session.leave, delay)
        first += len(delays)
    until = clock.seconds() + PATIENCE
    slow = [session for session in sessions if session.leaving]
    while slow and clock.seconds() < until:
        yield deferLater(clock, PAUSE)
        slow = [session for session in slow if session.leaving]
    for session in slow:
        _guard(session, session.depart)


def _guard(session: Session, call: Callable[..., None], *args: Any) -> None:
    """Call one session; what is wrong with it must not keep the others from being told."""
    try:
        call(*args)
    except Exception:
        session.fail(Failure())
