"""
Why a client cannot get what it missed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """
    The daemon does not have what the client missed.

    @ivar reason: C{expired} (the daemon had it, and has it no longer), C{unknown} (the position
        means nothing here), C{limit} (it is more than the daemon replays) or C{lost} (the server
        that several daemons share has lost it).
    """

    reason: str


EXPIRED = Gap("expired")
UNKNOWN = Gap("unknown")
LOST = Gap("lost")
LIMIT = Gap("limit")
