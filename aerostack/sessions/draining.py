"""
Draining: before the daemon stops, it tells every client when to reconnect.
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
"""Seconds for which a client that leaves waits for the answers to its publications.  After that the
daemon closes the connection without them."""

TURN = 0.25
"""Seconds after which one turn of the reactor sends no further late batch."""


@inlineCallbacks
def drain(clock: IReactorTime, sessions: Sequence[Session], drainPlan: DrainPlan) -> Any:
    """
    Send all clients away, batch by batch.  Each client gets its own delay.  When the reactor is
    late, several batches go out together.

    @return: A L{Deferred} that fires when every client has been sent away, at once if there is no
        client.  It fires after L{aerostack.core.limits.draining.LONGEST} and L{PATIENCE} at the
        latest, even if a busy machine has not reached every client by then.
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
    """Call one session, and close its connection if that fails."""
    try:
        call(*args)
    except Exception:
        # The daemon still has to send the other clients away.
        session.fail(Failure())
