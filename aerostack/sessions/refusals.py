"""
The errors that sessions answer requests with.
"""

from __future__ import annotations

from twisted.python.failure import Failure

from aerostack.errors import RealtimeError


def refusal(failure: Failure) -> RealtimeError:
    """
    Give the error for the client.

    @raise Exception: The failure is not a L{RealtimeError}, but a fault of the daemon.
    """
    if isinstance(failure.value, RealtimeError):
        return failure.value
    failure.raiseException()


def viewChanged() -> RealtimeError:
    """
    The error for a subscription whose view changed while its client was sent the past.
    """
    return RealtimeError(
        "view_changed",
        "What you may read has changed while you were sent what you had missed; subscribe again"
        " since the last pos.",
    )
