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

from aerostack.core.limits.draining import LONGEST, PAUSE, DrainPlan
from aerostack.sessions.session import Session

PATIENCE = 1.0
"""Seconds that what clients have published may take to be acknowledged before they are
sent away all the same."""

TURN = 0.25
"""Seconds of a turn of the reactor after which batches that are late wait for the next one."""


@inlineCallbacks
def drain(clock: IReactorTime, sessions: Sequence[Session], drainPlan: DrainPlan) -> Any:
    """
    Send everybody away, batch by batch, each with a delay of its own.  Batches for which the
    reactor comes late are sent together.

    @return: A L{Deferred} that fires when everybody has been told, at once if there is
        nobody; at the latest after L{aerostack.core.limits.draining.LONGEST} and L{PATIENCE}, also
        where a machine with too much to do has not told everybody by then.
    """
    first, due = 0, clock.seconds()
    end, turn = due + LONGEST + PATIENCE, due
    for delays in drainPlan.batches(len(sessions)):
        now = clock.seconds()
        if now < due or now - turn > TURN:
            yield deferLater(clock, max(0.0, due - now))
            turn = clock.seconds()
        if turn >= end:
            break
        due += PAUSE
        for session, delay in zip(sessions[first:], delays, strict=False):
            _guard(session, session.leave, delay)
        first += len(delays)
    until = min(clock.seconds() + PATIENCE, end)
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
